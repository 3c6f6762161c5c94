from swarm.comms.messages import market
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId
from swarm.pipeline.auditing import Audits, on_audited, on_published
from swarm.testing import FakeContext
from swarm.units import Credits

AUDITORS = (ActorId("env_auditor-0"), ActorId("env_auditor-1"))
TREASURY, BUILDER = ActorId("treasury-0"), ActorId("env_builder-0")
BOUNTY = Credits(5)


def publish(ctx: FakeContext, audits: Audits, environment: str = "{}") -> None:
    published = market.Published(environment=environment)
    on_published(ctx, audits, published, auditors=AUDITORS, bounty=BOUNTY)


def audited(ctx: FakeContext, audits: Audits, **found: object) -> None:
    ctx.sender = AUDITORS[0]
    message = market.Audited(environment="{}", **found)  # type: ignore[arg-type]  # by name
    on_audited(ctx, audits, message, treasury=TREASURY, concerned=(BUILDER,), bounty=BOUNTY)


def test_what_is_published_twice_is_audited_once() -> None:
    ctx, audits = FakeContext(me=ActorId("director-0")), Audits(left=Credits(9))

    publish(ctx, audits)
    publish(ctx, audits)

    ((_, auditor, sought),) = ctx.drain()
    assert auditor in AUDITORS
    assert sought == market.AuditSought(environment="{}", bounty=BOUNTY)


def test_an_exploit_is_paid_once_and_the_environment_called_back() -> None:
    ctx, audits = FakeContext(me=ActorId("director-0")), Audits(left=Credits(9))

    audited(ctx, audits, attacker="dump", weak_score=0.9, strict_score=0.1)
    audited(ctx, audits, attacker="echo", weak_score=0.8, strict_score=0.1)

    (grant,) = ctx.told(TREASURY)
    assert isinstance(grant, money.Grant)
    assert (grant.to, grant.amount) == (AUDITORS[0], BOUNTY)
    assert [type(one) for one in ctx.told(BUILDER)] == [market.CalledBack]
    assert audits.left == 4


def test_without_money_the_environment_is_called_back_all_the_same() -> None:
    ctx, audits = FakeContext(me=ActorId("director-0")), Audits(left=Credits(4))

    audited(ctx, audits, attacker="dump", weak_score=0.9, strict_score=0.1)

    assert ctx.told(TREASURY) == []
    assert [type(one) for one in ctx.told(BUILDER)] == [market.CalledBack]


def test_where_nothing_was_found_nothing_happens() -> None:
    ctx, audits = FakeContext(me=ActorId("director-0")), Audits(left=Credits(9))

    audited(ctx, audits)

    assert ctx.drain() == []

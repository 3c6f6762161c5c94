from swarm.comms.messages import market, work
from swarm.kernel.message import ActorId, MessageId
from swarm.kernel.role import Role
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.environments.spec import Audit, AuditDone
from swarm.roles.env_auditor import EnvAuditor, EnvAuditorState, Inbox
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks

DIRECTOR = ActorId("director-0")
SPEC = EnvSpec(family="reverse", difficulty=1, verifier="substring")
TEXT = canonical_json(SPEC)


def make() -> tuple[EnvAuditor, FakeContext]:
    role = EnvAuditor(director=DIRECTOR, takes=Ticks(60))
    _: Role[Inbox] = role
    ctx = FakeContext(me=ActorId("env_auditor-0"))
    ctx.sender = DIRECTOR
    return role, ctx


def seek(role: EnvAuditor, ctx: FakeContext, environment: str = TEXT) -> None:
    role.receive(market.AuditSought(environment=environment, bounty=Credits(5)), ctx)


def test_it_attacks_what_it_is_told_to() -> None:
    role, ctx = make()

    seek(role, ctx)

    ((_, job, takes),) = ctx.drain()
    assert isinstance(job, Audit)
    assert job.environment == SPEC
    assert takes == Ticks(60)


def test_an_exploit_is_reported_with_what_it_earns() -> None:
    role, ctx = make()
    seek(role, ctx)
    ctx.cause = MessageId(ctx.ordered)

    role.receive(AuditDone(attacker="dump", weak_score=0.9, strict_score=0.1), ctx)

    assert ctx.told(DIRECTOR) == [
        market.Audited(environment=TEXT, attacker="dump", weak_score=0.9, strict_score=0.1)
    ]
    assert role.state == EnvAuditorState()


def test_a_failed_audit_is_noted_and_nothing_is_claimed() -> None:
    role, ctx = make()
    seek(role, ctx)
    ctx.cause = MessageId(ctx.ordered)

    role.receive(work.JobFailed(kind="limit", reason="too long"), ctx)

    assert ctx.told(DIRECTOR) == []
    assert role.state == EnvAuditorState()


def test_what_cannot_be_read_is_noted() -> None:
    role, ctx = make()

    seek(role, ctx, '{"family":"alchemy","difficulty":1}')

    ((kind, text),) = ctx.drain()
    assert kind == "note"
    assert "cannot audit" in str(text)

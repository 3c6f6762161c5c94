import msgspec
import pytest

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import market, work
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId, MessageId
from swarm.kernel.role import Role
from swarm.pipeline import tasks
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.environments.planting import planted
from swarm.pipeline.posttraining.environments.spec import Examine, Examined
from swarm.pipeline.values import read_environment
from swarm.roles.env_builder import DRAFTS, EnvBuilder, EnvBuilderState, Inbox
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks

BUYER, DIRECTOR = ActorId("posttraining_researcher-0"), ActorId("director-0")
CONTRACT = ContractId(f"{BUYER}/1")
COPY, REVERSE = (EnvSpec(family=name, difficulty=1) for name in ("copy", "reverse"))
TERMS = tasks.BuildTerms(current=(COPY,), wanted=(COPY, REVERSE))
CALL = cn.CallForProposals(
    contract=CONTRACT,
    task=tasks.BUILD,
    terms=tasks.to_json(TERMS),
    max_price=Credits(10),
    deadline=Ticks(400),
)


def make(*stock: EnvSpec) -> tuple[EnvBuilder, FakeContext]:
    role = EnvBuilder(
        price=Credits(7), takes=Ticks(60), director=DIRECTOR, patience=Ticks(900), stock=stock
    )
    _: Role[Inbox] = role
    return role, FakeContext(me=ActorId("env_builder-0"), now=Ticks(100))


def engage(role: EnvBuilder, ctx: FakeContext) -> None:
    ctx.sender = BUYER
    role.receive(CALL, ctx)
    role.receive(cn.AcceptProposal(contract=CONTRACT, price=Credits(7)), ctx)
    role.receive(money.Secured(contract=CONTRACT, amount=Credits(7)), ctx)
    ctx.sender = ctx.me


def examined(role: EnvBuilder, ctx: FakeContext, *failures: str) -> None:
    ctx.cause = MessageId(ctx.ordered)
    role.receive(Examined(failures=failures), ctx)


def drafts(ctx: FakeContext) -> list[EnvSpec]:
    return [e[1].environment for e in ctx.effects if isinstance(e[1], Examine)]


def test_its_stock_is_published_at_the_start() -> None:
    hackable = planted(3)
    role, ctx = make(hackable)

    role.receive(work.Start(), ctx)

    (published,) = ctx.told(DIRECTOR)
    assert isinstance(published, market.Published)
    assert read_environment(published.environment) == hackable


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (msgspec.structs.replace(CALL, task="evaluate"), "does not evaluate"),
        (msgspec.structs.replace(CALL, terms="{"), "expected BuildTerms"),
        (msgspec.structs.replace(CALL, max_price=Credits(6)), "an environment costs 7"),
        (msgspec.structs.replace(CALL, deadline=Ticks(100)), "takes time to propose"),
    ],
)
def test_what_it_cannot_do_is_refused_with_a_reason(call: cn.CallForProposals, reason: str) -> None:
    role, ctx = make()
    ctx.sender = BUYER

    role.receive(call, ctx)

    (refusal,) = ctx.told(BUYER)
    assert isinstance(refusal, cn.Refuse)
    assert reason in refusal.reason
    assert role.state == EnvBuilderState()


def test_what_passes_the_gates_is_delivered_and_published() -> None:
    role, ctx = make()
    engage(role, ctx)
    (drafted,) = drafts(ctx)
    ctx.drain()

    examined(role, ctx)

    (inform,) = ctx.told(BUYER)
    assert isinstance(inform, cn.InformResult)
    assert tasks.build_result(inform.result).environment == drafted
    assert drafted not in TERMS.current
    (published,) = ctx.told(DIRECTOR)
    assert isinstance(published, market.Published)
    assert role.state.job is None


def test_a_draft_that_fails_a_gate_is_shunned_and_followed_by_another() -> None:
    role, ctx = make()
    engage(role, ctx)

    for _ in range(DRAFTS):
        examined(role, ctx, "leak: 0.4, at most 0.15")

    tried = drafts(ctx)
    assert len(tried) == DRAFTS
    assert len(set(tried)) == DRAFTS
    assert role.state.shunned == tried
    failure = ctx.told(BUYER)[-1]
    assert isinstance(failure, cn.Failure)
    assert "did not pass" in failure.reason


def test_what_was_called_back_is_not_built_again() -> None:
    role, ctx = make()
    text = msgspec.json.encode(REVERSE).decode()
    role.receive(market.CalledBack(environment=text, reason="hacked"), ctx)

    for _ in range(6):
        engage(role, ctx)
        examined(role, ctx)

    assert REVERSE not in drafts(ctx)


def test_an_order_that_is_never_paid_lapses() -> None:
    role, ctx = make()
    ctx.sender = BUYER
    role.receive(CALL, ctx)

    role.receive(cn.Overdue(contract=CONTRACT), ctx)

    assert isinstance(ctx.told(BUYER)[-1], cn.Failure)
    assert role.state == EnvBuilderState()


def test_a_cancelled_order_is_forgotten_and_its_examination_is_nobodys() -> None:
    role, ctx = make()
    engage(role, ctx)
    role.receive(cn.Cancel(contract=CONTRACT, reason="no money"), ctx)
    ctx.drain()

    examined(role, ctx)

    assert ctx.drain() == []

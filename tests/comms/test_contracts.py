import msgspec
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms import contracts
from swarm.comms.contracts import Call, Job
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks

C = ContractId("ada-0/1")
A, B, T = ActorId("bo-0"), ActorId("bo-1"), ActorId("treasury-0")


def opened() -> tuple[Call, FakeContext]:
    ctx = FakeContext(me=ActorId("ada-0"))
    call = contracts.open_call(
        ctx,
        contract=C,
        to=(A, B),
        task="evaluate",
        terms="{}",
        max_price=Credits(9),
        window=Ticks(300),
    )
    return call, ctx


def bid(who: ActorId, price: int, ends_at: int = 10) -> cn.Propose:
    return cn.Propose(contract=C, proposer=who, price=Credits(price), ends_at=Ticks(ends_at))


def test_a_call_goes_to_everybody_and_sets_one_timer() -> None:
    _, ctx = opened()

    kinds = [effect[0] for effect in ctx.drain()]

    assert kinds == ["tell", "tell", "after"]


@given(st.permutations([bid(A, 5, 9), bid(B, 5, 8), bid(ActorId("bo-2"), 7, 1)]))
def test_the_cheapest_wins_then_the_earliest_whatever_came_first(bids: list[cn.Propose]) -> None:
    call, ctx = opened()
    ctx.drain()
    for one in bids:
        contracts.collect(call, one)

    assert contracts.award(ctx, call, treasury=T)

    assert ctx.drain() == [
        ("tell", B, cn.AcceptProposal(contract=C, price=Credits(5))),
        ("tell", A, cn.RejectProposal(contract=C)),
        ("tell", ActorId("bo-2"), cn.RejectProposal(contract=C)),
        ("tell", T, money.Escrow(contract=C, payee=B, amount=Credits(5))),
    ]


def test_without_proposals_the_call_is_settled() -> None:
    call, ctx = opened()
    ctx.drain()

    assert not contracts.award(ctx, call, treasury=T)

    assert call.phase == "settled"
    assert ctx.drain() == []


def test_a_late_proposal_changes_nothing() -> None:
    call, ctx = opened()
    contracts.collect(call, bid(A, 5))
    contracts.award(ctx, call, treasury=T)

    contracts.collect(call, bid(B, 1))

    assert call.winner == A
    assert list(call.proposals) == [A]


def test_escrow_is_released_once() -> None:
    call, ctx = opened()
    contracts.collect(call, bid(A, 5))
    contracts.award(ctx, call, treasury=T)
    contracts.secured(ctx, call, patience=Ticks(60))
    ctx.drain()

    contracts.settle(ctx, call, treasury=T, is_accepted=True)
    contracts.settle(ctx, call, treasury=T, is_accepted=False)

    assert ctx.drain() == [("tell", T, money.Release(contract=C, is_accepted=True))]


@given(st.permutations(["accept", "secured", "secured"]))
def test_work_begins_exactly_once_when_accepted_and_secured(order: list[str]) -> None:
    job = Job(contract=C, initiator=A, task="evaluate", terms="{}", price=Credits(5))
    messages: dict[str, cn.AcceptProposal | money.Secured] = {
        "accept": cn.AcceptProposal(contract=C, price=Credits(5)),
        "secured": money.Secured(contract=C, amount=Credits(5)),
    }

    begun = [contracts.may_begin(job, messages[one]) for one in order]

    assert sum(begun) == 1


def test_both_sides_survive_a_snapshot() -> None:
    call, _ = opened()
    contracts.collect(call, bid(A, 5))
    job = Job(contract=C, initiator=A, task="evaluate", terms="{}", price=Credits(5))

    assert msgspec.json.decode(msgspec.json.encode(call), type=Call) == call
    assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job

import msgspec
import pytest

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import ship
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId
from swarm.pipeline import tasks
from swarm.pipeline.research.claim import Claim, ClaimMessage, advance, near_reviewers, open_claim
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks

ME, REVIEWER, TREASURY = ActorId("author-0"), ActorId("reviewer-1"), ActorId("treasury-0")
C = ContractId("author-0/1")
SHIP = ship.Announced(generation=1, manifest="m", parts=(("optimizer", "{}"),), base_bpb=(4.0,))


def opened() -> tuple[Claim, FakeContext]:
    ctx = FakeContext(me=ME, neighbours=(ActorId("author-1"), REVIEWER, ActorId("devops-0")))
    claim = Claim(part="optimizer", value="{1}", replaces="{}", gain_bpb=0.2)
    open_claim(
        ctx,
        claim,
        contract=C,
        reviewers=near_reviewers(ctx),
        on=SHIP,
        max_price=Credits(10),
        window=Ticks(300),
    )
    return claim, ctx


def hear(claim: Claim, ctx: FakeContext, *messages: ClaimMessage) -> list[bool]:
    ctx.sender = REVIEWER
    return [
        advance(ctx, claim, one, treasury=TREASURY, max_price=Credits(10), patience=Ticks(100))
        for one in messages
    ]


def proposal() -> cn.Propose:
    return cn.Propose(contract=C, proposer=REVIEWER, price=Credits(9), ends_at=Ticks(1_000))


WON = (proposal(), cn.BiddingClosed(contract=C), money.Secured(contract=C, amount=Credits(9)))


def informed(gain: float) -> cn.InformResult:
    result = tasks.ReplicateResult(
        decision="accept", gain_bpb=gain, gain_low_bpb=0, gain_high_bpb=1, n=4, reason=""
    )
    return cn.InformResult(contract=C, result=tasks.to_json(result))


def test_only_reviewers_one_edge_away_are_called() -> None:
    _, ctx = opened()

    called = [who for kind, who, *_ in ctx.effects if kind == "tell"]

    assert called == [REVIEWER]


def test_a_verdict_ends_the_claim_once_and_is_paid() -> None:
    claim, ctx = opened()

    ended = hear(claim, ctx, *WON, informed(0.1), informed(0.3))

    assert ended == [False, False, False, True, False]
    assert claim.result is not None
    assert claim.result.gain_bpb == 0.1
    assert ctx.told(TREASURY)[-1] == money.Release(contract=C, is_accepted=True)


@pytest.mark.parametrize("result", ["{}", informed(1e400).result])
def test_a_verdict_that_cannot_be_used_is_not_paid(result: str) -> None:
    claim, ctx = opened()

    hear(claim, ctx, *WON, cn.InformResult(contract=C, result=result))

    assert claim.result is None
    assert "not accepted" in claim.reason
    assert ctx.told(TREASURY)[-1] == money.Release(contract=C, is_accepted=False)


def test_a_verdict_of_somebody_else_changes_nothing() -> None:
    claim, ctx = opened()
    hear(claim, ctx, *WON)

    ctx.sender = ActorId("reviewer-2")
    has_ended = advance(
        ctx, claim, informed(0.1), treasury=TREASURY, max_price=Credits(10), patience=Ticks(1)
    )

    assert not has_ended
    assert claim.result is None


def test_the_reviewer_has_until_its_promise_and_some_patience() -> None:
    claim, ctx = opened()
    ctx.now = Ticks(400)

    hear(claim, ctx, *WON)

    assert ctx.effects[-1] == ("after", 700, cn.Overdue(contract=C))


def test_timers_of_phases_that_have_passed_change_nothing() -> None:
    claim, ctx = opened()
    hear(claim, ctx, *WON, informed(0.1))
    before = msgspec.json.encode(claim)
    ctx.drain()

    hear(claim, ctx, cn.BiddingClosed(contract=C), cn.Overdue(contract=C))

    assert msgspec.json.encode(claim) == before
    assert ctx.effects == []

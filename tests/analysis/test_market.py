from collections import Counter

import pytest

import swarm
from swarm.analysis.market import (
    Call,
    Offer,
    awarded_calls,
    gini,
    market,
    pool_size,
    shuffled_winners,
)
from swarm.analysis.run import Run
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import lease as gpu
from swarm.kernel.message import ActorId, ContractId
from swarm.units import HOUR, Credits, Ticks
from tests.story import Story

R0, R1, V0, V1 = "researcher-0", "researcher-1", "reviewer-0", "reviewer-1"
BROKER = "gpu_broker-0"


def call(number: int, winner: str, *proposers: str, task: str = "t") -> Call:
    offers = tuple(Offer(f"c/{number}", who, 10 + at, 60) for at, who in enumerate(proposers))
    return Call(contract=f"c/{number}", task=task, initiator="i", winner=winner, offers=offers)


def lease(
    story: Story, name: str, *, at: int, granted: int, bid: int, price: int, gpus: int = 1
) -> None:
    contract = ContractId(name)
    request = gpu.Request(
        contract=contract, gpus=gpus, duration=HOUR, bid=Credits(bid), purpose="x"
    )
    story.tell(at, R0, BROKER, request)
    grant = gpu.Granted(
        contract=contract, gpus=("n/0",) * gpus, ends_at=Ticks(9_999), price=Credits(price)
    )
    story.tell(granted + 1, BROKER, R0, grant)
    story.tell(granted + 600, R0, BROKER, gpu.Release(contract=contract))


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [([1, 1, 1, 1], 0.0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25), ([0, 0], None), ([], None)],
)
def test_gini(amounts: list[float], expected: float | None) -> None:
    assert gini(amounts) == (None if expected is None else pytest.approx(expected))


def test_a_shuffle_keeps_wins_and_gives_calls_only_to_who_proposed() -> None:
    calls = [
        call(n, f"a-{n % 3}", *(f"a-{k}" for k in range(4) if k == n % 3 or (n + k) % 2))
        for n in range(12)
    ]

    drawn = [shuffled_winners(calls, seed=1, number=number) for number in range(50)]

    for winners in drawn:
        assert Counter(winners) == Counter(one.winner for one in calls)
        assert all(one.of(who) for one, who in zip(calls, winners, strict=True))
    assert len({tuple(winners) for winners in drawn}) > 10


def test_a_shuffle_never_crosses_tasks() -> None:
    calls = [call(0, "a", "a", "b", task="x"), call(1, "b", "a", "b", task="y")]

    assert all(shuffled_winners(calls, seed=0, number=n) == ["a", "b"] for n in range(20))


def test_a_shuffle_is_the_same_for_the_same_seed_and_number() -> None:
    calls = [call(n, "ab"[n % 2], "a", "b") for n in range(10)]

    assert shuffled_winners(calls, seed=3, number=1) == shuffled_winners(calls, seed=3, number=1)
    assert shuffled_winners(calls, seed=3, number=1) != shuffled_winners(calls, seed=3, number=2)


def test_choosing_the_cheapest_beats_the_shuffled_negotiation(story: Story) -> None:
    for number in range(1, 13):
        contract = ContractId(f"researcher-0/{number}")
        cheap, dear = (V0, V1) if number % 2 else (V1, V0)
        for reviewer in (V0, V1):
            ask = cn.CallForProposals(
                contract=contract, task="t", terms="{}", max_price=Credits(99), deadline=Ticks(9)
            )
            story.tell(2, R0, reviewer, ask)
            price = Credits(10 if reviewer == cheap else 90)
            offer = cn.Propose(
                contract=contract, proposer=ActorId(reviewer), price=price, ends_at=Ticks(61)
            )
            story.tell(3, reviewer, R0, offer)
        story.tell(5, R0, cheap, cn.AcceptProposal(contract=contract, price=Credits(10)))
        story.tell(5, R0, dear, cn.RejectProposal(contract=contract))

    found = market(swarm.load_run(story.write()), shuffles=40)

    null = found.nulls["mean price, credits"]
    assert null.observed == pytest.approx(10e-6)
    assert null.low > null.observed
    assert (found.calls, found.messages_calling, found.proposals, found.acceptances) == (
        12, 24, 24, 12,
    )  # fmt: skip


def test_breaches_and_unanswered_calls_are_counted(story: Story) -> None:
    for number, ending in enumerate((cn.Failure, cn.Cancel, None)):
        contract = ContractId(f"researcher-0/{number}")
        ask = cn.CallForProposals(
            contract=contract, task="t", terms="{}", max_price=Credits(9), deadline=Ticks(9)
        )
        story.tell(2, R0, V0, ask)
        if ending is None:
            story.tell(9, R0, R0, cn.BiddingClosed(contract=contract))
            continue
        story.tell(5, R0, V0, cn.AcceptProposal(contract=contract, price=Credits(5)))
        story.tell(8, V0, R0, ending(contract=contract, reason="x"))

    found = market(swarm.load_run(story.write()))

    assert (found.calls, found.breaches, found.unanswered) == (3, 2, 1)


def test_who_waits_while_a_later_grant_goes_for_less_is_envious(story: Story) -> None:
    lease(story, "waits", at=10, granted=500, bid=900, price=800)
    lease(story, "cheap", at=20, granted=100, bid=700, price=600)

    found = market(swarm.load_run(story.write()))

    assert (found.requests, found.envy) == (2, 0.5)


def test_a_dearer_or_smaller_grant_is_no_reason_for_envy(story: Story) -> None:
    lease(story, "waits", at=10, granted=500, bid=900, price=800, gpus=2)
    lease(story, "dear", at=20, granted=100, bid=2_000, price=2_000, gpus=2)
    lease(story, "small", at=20, granted=100, bid=100, price=100)

    assert market(swarm.load_run(story.write())).envy == 0.0


def test_utilisation_is_leased_time_over_the_pools_time(story: Story) -> None:
    lease(story, "a", at=10, granted=399, bid=9, price=9)
    config = {"pool": {"nodes": 2, "gpus_per_node": 2}}

    run = swarm.load_run(story.write(config=config))

    # Held from 399 to 999, of 4 GPUs over 1,000 ticks.
    assert pool_size(run) == 4
    assert market(run).utilisation == pytest.approx(600 / 4_000)


def test_a_run_without_negotiations_has_scores_of_nothing(gossip_run: Run) -> None:
    found = market(gossip_run)

    assert (found.calls, found.requests, found.envy, found.utilisation) == (0, 0, None, None)
    assert found.nulls == {}


@pytest.mark.slow
def test_winners_of_a_lab_had_proposed(lab_run: Run) -> None:
    calls = awarded_calls(lab_run)

    assert len(calls) == lab_run.contracts["winner"].drop_nulls().len()
    assert all(one.of(one.winner) for one in calls)

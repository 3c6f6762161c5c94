from collections.abc import Sequence
from dataclasses import replace as replaced

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.gpu.leases import Request
from swarm.gpu.line import Line
from swarm.gpu.mechanism import Award, PoolView
from swarm.gpu.mechanisms.sealed_bid import SealedBid
from swarm.gpu.placement import Consolidate, placement
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.rng import Stream
from swarm.units import Credits, Ticks

FREE_NODE = PoolView(idle=(8,), sizes=(8,), placement=Consolidate(), reserve=Credits(0))


def request(name: str, gpus: int, bid: int, *, at: int = 0, duration: int = 1) -> Request:
    return Request(
        contract=ContractId(f"{name}/0"),
        holder=ActorId(name),
        gpus=gpus,
        duration=Ticks(duration),
        bid=Credits(bid),
        submitted_at=Ticks(at),
    )


def hold_round(requests: Sequence[Request], view: PoolView) -> Sequence[Award]:
    sealed_bid = SealedBid()
    return sealed_bid.allocate(Line(sealed_bid, requests), view, Ticks(0)).awards


def payments(*requests: Request, view: PoolView = FREE_NODE) -> dict[str, int]:
    awards = hold_round(requests, view)
    return {award.request.holder: award.payment for award in awards}


@st.composite
def rounds(draw: st.DrawFn) -> tuple[list[Request], PoolView]:
    """A partly occupied pool and bidders for it, with many ties among them."""
    sizes = (4,) * draw(st.integers(1, 4))
    bidders = draw(
        st.lists(
            st.tuples(st.integers(1, 10), st.integers(0, 60), st.integers(0, 2), st.integers(1, 3)),
            min_size=1,
            max_size=8,
        )
    )
    requests = [
        request(f"actor-{number}", gpus, bid, at=at, duration=duration)
        for number, (gpus, bid, at, duration) in enumerate(bidders)
    ]
    idle = tuple(draw(st.integers(0, size)) for size in sizes)
    reserve = Credits(draw(st.sampled_from([0, 1, 3])))
    return requests, PoolView(idle=idle, sizes=sizes, placement=Consolidate(), reserve=reserve)


def outcome(number: int, bid: int, requests: list[Request], view: PoolView) -> Award | None:
    """What one bidder gets if it bids this instead, everybody else bidding the same."""
    bids = requests.copy()
    bids[number] = msgspec.structs.replace(requests[number], bid=Credits(bid))
    for award in hold_round(bids, view):
        if award.request.contract == requests[number].contract:
            return award
    return None


def test_winner_pays_the_bid_it_had_to_beat() -> None:
    paid = payments(request("high", 8, 90, at=1), request("low", 8, 50))

    assert paid == {"high": 51}


def test_winner_of_a_tie_pays_the_same_bid_and_no_more() -> None:
    paid = payments(request("early", 8, 50, at=1), request("late", 8, 50, at=2))

    assert paid == {"early": 50}


def test_who_displaces_nobody_pays_the_reserve_price() -> None:
    view = replaced(FREE_NODE, reserve=Credits(2))

    paid = payments(request("a", 2, 90, duration=5), request("b", 2, 50, duration=5), view=view)

    assert paid == {"a": 20, "b": 20}


def test_bid_under_the_reserve_price_wins_nothing() -> None:
    view = replaced(FREE_NODE, reserve=Credits(2))

    assert payments(request("a", 4, 7), view=view) == {}


def test_gangs_are_ranked_by_bid_over_root_of_their_size() -> None:
    # 30 / 1 is more than 80 / 2.83, and after the single the gang no longer fits.
    paid = payments(request("gang", 8, 80), request("single", 1, 30))

    # The single has to beat 80 / sqrt(8) = 28.28: with 28 it would be second.
    assert paid == {"single": 29}


def test_bids_for_leases_of_different_lengths_are_compared_per_tick() -> None:
    # 60 for 2 ticks is more per tick than 100 for 4, and 25 per tick is the rate to beat.
    paid = payments(request("long", 8, 100, duration=4), request("short", 8, 60, at=1, duration=2))

    assert paid == {"short": 51}


def test_gang_pays_for_the_small_ones_it_displaces_by_the_first_that_breaks_its_place() -> None:
    # Without the gang a, b and c all get 2 GPUs each; after a and b it would still fit.
    small = [request(name, 2, bid) for name, bid in (("a", 40), ("b", 30), ("c", 20), ("d", 10))]

    paid = payments(request("gang", 4, 100), *small)

    # To stay before c it has to beat 20 / sqrt(2) with x / 2, so x > 28.28.
    assert paid["gang"] == 29
    assert "c" not in paid


def test_price_follows_the_placement_and_not_only_the_number_of_gpus() -> None:
    # Six GPUs are idle, enough for three pairs, but only one pair fits on each node: so the third
    # bid is the one to beat, where a mere count of GPUs would ask nothing of anybody.
    view = replaced(FREE_NODE, idle=(3, 3), sizes=(4, 4))

    paid = payments(request("a", 2, 90), request("b", 2, 80), request("c", 2, 50), view=view)

    assert paid == {"a": 50, "b": 50}


@pytest.mark.parametrize("scale", [1, 10**6, 10**12])
def test_large_bids_are_compared_exactly(scale: int) -> None:
    # 3 / sqrt(1) equals 6 / sqrt(4): one micro-credit decides, at any magnitude.
    paid = payments(
        request("a", 4, 6 * scale),
        request("b", 1, 3 * scale + 1),
        view=replaced(FREE_NODE, idle=(4,)),
    )

    assert paid == {"b": 3 * scale + 1}


@given(rounds())
def test_payment_is_the_smallest_bid_that_wins(case: tuple[list[Request], PoolView]) -> None:
    requests, view = case

    awards = hold_round(requests, view)

    for award in awards:
        number = requests.index(award.request)
        floor = view.reserve_price(award.request)
        assert max(floor, 0) <= award.payment <= award.request.bid
        assert outcome(number, award.payment, requests, view) is not None
        assert award.payment == floor or outcome(number, award.payment - 1, requests, view) is None


@given(rounds(), st.sampled_from([(1, 2), (4, 5), (5, 4), (2, 1)]))
def test_scaling_a_true_bid_never_pays(
    case: tuple[list[Request], PoolView], scale: tuple[int, int]
) -> None:
    requests, view = case

    for number, bidder in enumerate(requests):
        honest = outcome(number, bidder.bid, requests, view)
        scaled = outcome(number, bidder.bid * scale[0] // scale[1], requests, view)

        assert utility(bidder, honest) >= utility(bidder, scaled)
        assert utility(bidder, honest) >= 0


@pytest.mark.parametrize("placement_name", ["count", "consolidate"])
@pytest.mark.parametrize("scale", [(1, 2), (4, 5), (5, 4), (2, 1)])
def test_scaling_the_bids_of_one_actor_does_not_pay_on_paired_seeds(
    placement_name: str, scale: tuple[int, int]
) -> None:
    """One round a seed: the same requests and values, and one bidder that shades or exaggerates."""
    gains: list[int] = []
    for seed in range(60):
        drawn = Stream(seed=seed, owner="market", name="requests")
        requests = [
            request(
                f"actor-{number}",
                1 + drawn.integer(8),
                1 + drawn.integer(10_000),
                duration=1 + drawn.integer(20),
            )
            for number in range(30)
        ]
        sizes = (8,) * 4
        view = PoolView(
            idle=sizes, sizes=sizes, placement=placement(placement_name), reserve=Credits(1)
        )
        bid = requests[0].bid
        honest = utility(requests[0], outcome(0, bid, requests, view))
        scaled = utility(requests[0], outcome(0, bid * scale[0] // scale[1], requests, view))
        gains.append(scaled - honest)

    assert max(gains) <= 0
    assert min(gains) < 0, "the scale never mattered"


@given(rounds(), st.integers(0, 100))
def test_price_of_a_winner_does_not_depend_on_its_own_bid(
    case: tuple[list[Request], PoolView], bid: int
) -> None:
    requests, view = case

    honest = outcome(0, requests[0].bid, requests, view)
    other = outcome(0, bid, requests, view)

    assert honest is None or other is None or honest.payment == other.payment


@given(rounds())
def test_looking_games_up_changes_no_price(case: tuple[list[Request], PoolView]) -> None:
    requests, view = case

    for award in hold_round(requests, view):
        rank = SealedBid().order(award.request)
        room = view.room()
        behind = sorted(requests, key=lambda one: (SealedBid().order(one), one.contract))
        behind = [one for one in behind if one.bid >= view.reserve_price(one)]
        beaten: Request | None = None
        for rival in behind:
            if rival.contract == award.request.contract:
                continue
            takes = room.place(rival)
            if takes is None:
                continue
            room.take(takes)
            if SealedBid().order(rival) > rank and room.place(award.request) is None:
                beaten = rival
                break

        floor = view.reserve_price(award.request)
        if beaten is None:
            assert award.payment == floor
        else:
            least = msgspec.structs.replace(award.request, bid=award.payment)
            assert SealedBid().order(least) < SealedBid().order(beaten) or award.payment == floor


@given(rounds())
def test_no_loser_fits_in_what_is_left(case: tuple[list[Request], PoolView]) -> None:
    requests, view = case

    awards = hold_round(requests, view)

    room = view.room()
    for award in awards:
        room.take(award.takes)
    won = [award.request for award in awards]
    lost = [one for one in requests if one not in won and one.bid >= view.reserve_price(one)]
    assert all(room.place(one) is None for one in lost)


def utility(bidder: Request, award: Award | None) -> int:
    """What the lease is worth to a bidder whose true value is its bid, less what it pays."""
    return 0 if award is None else bidder.bid - award.payment

import msgspec
import pytest

from swarm.gpu.devices import H100, uniform_cluster
from swarm.gpu.leases import Request
from swarm.gpu.mechanism import Award
from swarm.gpu.placement import Consolidate
from swarm.gpu.pool import Pool, open_pool
from swarm.gpu.reasons import refusal, why_pending
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks

PLACEMENT = Consolidate()


def make() -> Pool:
    cluster = uniform_cluster(H100, nodes=2, gpus_per_node=8)
    return open_pool(cluster, reserve=Credits(2), now=Ticks(0))


def request(contract: str, gpus: int, *, at: int = 0, duration: int = 100) -> Request:
    return Request(
        contract=ContractId(contract),
        holder=ActorId("ada"),
        gpus=gpus,
        duration=Ticks(duration),
        bid=Credits(5_000),
        submitted_at=Ticks(at),
    )


def lease(pool: Pool, contract: str, gpus: int, *, duration: int) -> None:
    asked = request(contract, gpus, duration=duration)
    pool.submit(asked)
    view = pool.view(PLACEMENT)
    takes = PLACEMENT.place(gpus, idle=view.idle, sizes=view.sizes)
    assert takes is not None
    award = Award(request=asked, takes=takes, payment=Credits(0))
    pool.grant(award, Ticks(0), is_begun=True)


def test_request_that_can_be_served_is_not_refused() -> None:
    assert refusal(request("ada/0", 16), make(), placement=PLACEMENT) is None


def test_gang_larger_than_the_cluster_is_refused_with_the_largest_possible() -> None:
    reason = refusal(request("ada/0", 17), make(), placement=PLACEMENT)

    assert reason == (
        "ada/0 asks for 17 GPUs, and the largest gang possible here is 16; ask for at most that"
    )


def test_gang_that_only_has_to_wait_is_not_refused() -> None:
    pool = make()
    lease(pool, "bob/0", 16, duration=9)

    assert refusal(request("ada/0", 16), pool, placement=PLACEMENT) is None


def test_bid_under_the_reserve_price_is_refused_with_the_price() -> None:
    poor = msgspec.structs.replace(request("ada/0", 8), bid=Credits(1_599))

    reason = refusal(poor, make(), placement=PLACEMENT)

    assert reason == (
        "ada/0 bids 1599 micro-credits, and 8 GPUs for 100 ticks cost at least 1600;"
        " bid that or ask for less"
    )


@pytest.mark.parametrize(("gpus", "duration"), [(0, 5), (-1, 5), (1, 0), (1, -5)])
def test_gang_or_duration_of_nothing_is_refused(gpus: int, duration: int) -> None:
    reason = refusal(request("ada/0", gpus, duration=duration), make(), placement=PLACEMENT)

    assert reason == (f"ada/0 asks for {gpus} GPUs for {duration} ticks; both must be at least 1")


def test_second_request_of_a_contract_is_refused_while_it_waits_and_while_it_runs() -> None:
    pool = make()
    pool.submit(request("ada/0", 1))
    lease(pool, "bob/0", 1, duration=9)

    waits = refusal(request("ada/0", 1), pool, placement=PLACEMENT)
    holds = refusal(request("bob/0", 1), pool, placement=PLACEMENT)

    assert waits == "ada/0 waits here already; one request per contract"
    assert holds == "bob/0 holds a lease here already; one request per contract"


def test_gang_without_room_is_told_what_is_idle_and_which_ends_it_waits_for() -> None:
    pool = make()
    for contract, gpus, duration in (("a/0", 6, 50), ("b/0", 4, 70), ("c/0", 1, 300)):
        lease(pool, contract, gpus, duration=duration)
    asked = request("ada/0", 8, at=3)
    pool.submit(asked)

    why = why_pending(asked, pool, Ticks(20), placement=PLACEMENT)

    # a and c share node 0, b has node 1 alone: a ends first, but only the end of b frees a node.
    assert why == (
        "ada/0 has waited 17 ticks for 8 GPUs: 5 of 16 GPUs are idle, in gangs of at most 4;"
        " room in 50 ticks unless others go first (leases that end by then: 2)"
    )


def test_gang_that_would_fit_is_told_who_came_earlier() -> None:
    pool = make()
    lease(pool, "a/0", 4, duration=50)
    pool.submit(request("bob/0", 16, at=1))
    asked = request("ada/0", 2, at=3)
    pool.submit(asked)

    why = why_pending(asked, pool, Ticks(5), placement=PLACEMENT)

    assert why == (
        "ada/0 has waited 2 ticks for 2 GPUs, which would fit: 12 of 16 GPUs are idle;"
        " requests that came earlier: 1, the first bob/0 for 16 GPUs"
    )


def test_gang_that_fits_and_is_first_waits_for_the_next_round() -> None:
    pool = make()
    asked = request("ada/0", 2)
    pool.submit(asked)

    why = why_pending(asked, pool, Ticks(0), placement=PLACEMENT)

    assert why == (
        "ada/0 has waited 0 ticks for 2 GPUs, which would fit: 16 of 16 GPUs are idle;"
        " requests in the next round: 1"
    )


@pytest.mark.parametrize(("gpus", "milli"), [(1, 500), (0, 1_000), (0, -1)])
def test_a_slice_beside_whole_gpus_or_as_large_as_one_is_refused(gpus: int, milli: int) -> None:
    asked = msgspec.structs.replace(request("ada/0", gpus), milli=milli)

    reason = refusal(asked, make(), placement=PLACEMENT)

    assert reason == (
        f"ada/0 asks for {gpus} GPUs and {milli} thousandths; ask for whole GPUs, or for 1 to 999"
        " thousandths of one"
    )


def test_who_waits_is_told_how_many_gpus_are_away() -> None:
    pool = make()
    pool.lose(0, Ticks(1))
    asked = request("ada/0", 9)
    pool.submit(asked)

    why = why_pending(asked, pool, Ticks(5), placement=PLACEMENT)

    assert why == (
        "ada/0 has waited 5 ticks for 9 GPUs: 8 of 16 GPUs are idle, 8 are on nodes that are away,"
        " in gangs of at most 8; room in 0 ticks unless others go first (leases that end by then:"
        " 0)"
    )

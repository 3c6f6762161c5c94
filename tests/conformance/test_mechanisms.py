"""Rules every mechanism must obey; a new file is covered without registration."""

import inspect
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.gpu.devices import H100, uniform_cluster
from swarm.gpu.leases import Request
from swarm.gpu.mechanism import Award, Mechanism, PoolView, mechanism, mechanisms
from swarm.gpu.placement import Consolidate
from swarm.gpu.pool import Pool, open_pool
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks

NAMES = mechanisms()
ALL = pytest.mark.parametrize("name", NAMES)


@st.composite
def requests(draw: st.DrawFn) -> list[Request]:
    """Requests with many ties, some of them larger than the pool or under the reserve price."""
    drawn = draw(
        st.lists(
            st.tuples(st.integers(1, 12), st.integers(0, 99), st.integers(0, 3), st.integers(1, 9)),
            max_size=9,
        )
    )
    return [
        request(number, gpus=gpus, bid=bid, at=at, duration=duration)
        for number, (gpus, bid, at, duration) in enumerate(drawn)
    ]


@st.composite
def views(draw: st.DrawFn) -> PoolView:
    """A pool of equal nodes, partly leased."""
    sizes = (4,) * draw(st.integers(1, 4))
    return PoolView(
        idle=tuple(draw(st.integers(0, size)) for size in sizes),
        sizes=sizes,
        placement=Consolidate(),
        reserve=Credits(draw(st.integers(0, 3))),
    )


def request(number: int, *, gpus: int, bid: int, at: int = 0, duration: int = 1) -> Request:
    return Request(
        contract=ContractId(f"actor-{number}/0"),
        holder=ActorId(f"actor-{number}"),
        gpus=gpus,
        duration=Ticks(duration),
        bid=Credits(bid),
        submitted_at=Ticks(at),
    )


def test_the_folder_has_the_promised_mechanisms() -> None:
    assert {"fifo", "sealed_bid"} <= set(NAMES)


def test_unknown_mechanism_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match=r"no mechanism 'lottery'; choose one of .*fifo"):
        mechanism("lottery")


@ALL
def test_module_says_its_rule_its_payment_and_its_source(name: str) -> None:
    module = inspect.getmodule(type(mechanism(name)))

    assert module is not None
    for word in ("Protocol  ", "Payment   ", "Source    "):
        assert word in (module.__doc__ or ""), word


@ALL
@given(waiting=requests(), view=views())
def test_no_gpu_is_promised_twice_and_every_gang_is_whole(
    name: str, waiting: list[Request], view: PoolView
) -> None:
    awards = mechanism(name).allocate(waiting, view, Ticks(9))

    taken = Counter[int]()
    for award in awards:
        assert sum(take.gpus for take in award.takes) == award.request.gpus
        assert all(take.gpus > 0 for take in award.takes)
        for take in award.takes:
            taken[take.node] += take.gpus
    assert all(view.idle[node] >= n_gpus for node, n_gpus in taken.items())


@ALL
@given(waiting=requests(), view=views())
def test_only_who_asked_is_served_and_only_once(
    name: str, waiting: list[Request], view: PoolView
) -> None:
    awards = mechanism(name).allocate(waiting, view, Ticks(9))

    served = [award.request.contract for award in awards]
    assert len(served) == len(set(served))
    assert all(award.request in waiting for award in awards)


@ALL
@given(waiting=requests(), view=views())
def test_payment_lies_between_the_reserve_price_and_the_bid(
    name: str, waiting: list[Request], view: PoolView
) -> None:
    awards = mechanism(name).allocate(waiting, view, Ticks(9))

    for award in awards:
        assert view.reserve_price(award.request) <= award.payment <= award.request.bid


@ALL
@given(waiting=requests(), view=views(), data=st.data())
def test_result_is_fixed_by_the_input_and_not_by_its_order(
    name: str, waiting: list[Request], view: PoolView, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(waiting))
    before = msgspec.json.encode(waiting)

    first, second, third = (
        mechanism(name).allocate(given_order, view, Ticks(9))
        for given_order in (waiting, waiting, shuffled)
    )

    assert first == second == third
    assert msgspec.json.encode(waiting) == before


@ALL
@given(gpus=st.integers(1, 16), reserve=st.integers(0, 5))
def test_who_is_alone_in_an_idle_pool_gets_what_it_can_pay_for(
    name: str, gpus: int, reserve: int
) -> None:
    view = PoolView(
        idle=(4,) * 4, sizes=(4,) * 4, placement=Consolidate(), reserve=Credits(reserve)
    )
    alone = request(0, gpus=gpus, bid=gpus * reserve)

    awards = mechanism(name).allocate([alone], view, Ticks(9))

    assert [award.request for award in awards] == [alone]


@ALL
@given(waiting=requests(), steps=st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_leases_never_exceed_the_pool_over_many_rounds(
    name: str, waiting: list[Request], steps: list[int]
) -> None:
    pool = open_pool(
        uniform_cluster(H100, nodes=3, gpus_per_node=4), reserve=Credits(0), now=Ticks(0)
    )
    now = Ticks(0)

    for step in steps:
        now = Ticks(now + step)
        for lease in pool.expired(now):
            pool.release(lease.contract, now)
        admit(waiting[:3], pool)
        del waiting[:3]
        for award in play_round(mechanism(name), pool, now):
            pool.grant(award, now, is_begun=True)

        pool.audit(now)
        assert sum(lease.gpus for lease in pool.leases.values()) + pool.n_idle == 12


def admit(some: list[Request], pool: Pool) -> None:
    for one in some:
        pool.submit(one)


def play_round(rule: Mechanism, pool: Pool, now: Ticks) -> list[Award]:
    return rule.allocate(pool.queue, pool.view(Consolidate()), now)

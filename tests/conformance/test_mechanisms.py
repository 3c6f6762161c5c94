"""Rules every mechanism must obey; a new file is covered without registration."""

import inspect
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.gpu.devices import H100, uniform_cluster
from swarm.gpu.leases import Request
from swarm.gpu.line import Line
from swarm.gpu.mechanism import Award, PoolView, mechanism, mechanisms
from swarm.gpu.patience import Patient
from swarm.gpu.placement import Consolidate, placement, placements
from swarm.gpu.pool import Pool, open_pool
from swarm.gpu.rounds import Preemption, Rules, play_round
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
    assert [
        *("easy", "fifo", "fifo_skip", "las", "max_min"),
        *("sealed_bid", "sjf", "sjf_skip", "srsf", "srtf"),
    ] == NAMES


def test_unknown_mechanism_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match=r"no mechanism 'lottery'; choose one of .*fifo"):
        mechanism("lottery")


@ALL
def test_module_says_its_rule_its_payment_and_its_source(name: str) -> None:
    module = inspect.getmodule(type(mechanism(name)))

    assert module is not None
    for word in ("Protocol  ", "Payment   ", "Waiting   ", "Source    "):
        assert word in (module.__doc__ or ""), word


@ALL
@given(waiting=requests(), view=views())
def test_no_gpu_is_promised_twice_and_every_gang_is_whole(
    name: str, waiting: list[Request], view: PoolView
) -> None:
    awards = decide(name, waiting, view)

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
    awards = decide(name, waiting, view)

    served = [award.request.contract for award in awards]
    assert len(served) == len(set(served))
    assert all(award.request in waiting for award in awards)


@ALL
@given(waiting=requests(), view=views())
def test_payment_lies_between_the_reserve_price_and_the_bid(
    name: str, waiting: list[Request], view: PoolView
) -> None:
    awards = decide(name, waiting, view)

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
        decide(name, given_order, view) for given_order in (waiting, waiting, shuffled)
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

    awards = decide(name, [alone], view)

    assert [award.request for award in awards] == [alone]


@ALL
@pytest.mark.parametrize("where", placements())
@settings(max_examples=20)
@given(waiting=requests(), steps=st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_leases_never_exceed_the_pool_over_many_rounds(
    where: str, name: str, waiting: list[Request], steps: list[int]
) -> None:
    pool = open_pool(
        uniform_cluster(H100, nodes=3, gpus_per_node=4), reserve=Credits(0), now=Ticks(0)
    )
    rules = Rules(mechanism=mechanism(name), placement=placement(where), preemption=Preemption())
    now = Ticks(0)

    for step in steps:
        now = Ticks(now + step)
        for lease in pool.expired(now):
            pool.release(lease.contract, now)
        admit(waiting[:3], pool)
        del waiting[:3]
        play_round(pool, rules, now, is_begun=True)

        pool.audit(now)
        assert sum(lease.gpus for lease in pool.leases.values()) + pool.n_idle == 12


@ALL
@given(waiting=requests(), steps=st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_a_pool_that_was_decoded_goes_on_as_the_one_that_was_not(
    name: str, waiting: list[Request], steps: list[int]
) -> None:
    """What is kept at hand for a mechanism is rebuilt to be the same."""
    cluster = uniform_cluster(H100, nodes=2, gpus_per_node=4)
    kept = open_pool(cluster, reserve=Credits(0), now=Ticks(0))
    rules = Rules(
        mechanism=mechanism(name),
        placement=placement("count"),
        preemption=Preemption(cost=Ticks(2)),
    )
    now = Ticks(0)

    for step in steps:
        now = Ticks(now + step)
        decoded = msgspec.json.decode(msgspec.json.encode(kept), type=Pool)
        for pool in (kept, decoded):
            for lease in pool.expired(now):
                pool.release(lease.contract, now)
            admit([one for one in waiting[:3] if one.gpus <= 8], pool)
            play_round(pool, rules, now, is_begun=True)
        del waiting[:3]

        assert msgspec.json.encode(decoded) == msgspec.json.encode(kept)


def test_patience_obeys_the_same_rules() -> None:
    view = PoolView(idle=(4,), sizes=(4,), placement=Consolidate(), reserve=Credits(1))
    asked = [request(0, gpus=4, bid=9), request(1, gpus=2, bid=1), request(2, gpus=1, bid=9)]
    patient = Patient(mechanism("fifo"), patience=Ticks(5))

    awards = patient.allocate(Line(patient, asked), view, Ticks(9)).awards

    # The second bids too little for anybody, and blocks nobody.
    assert [award.request.contract for award in awards] == ["actor-0/0"]


def decide(name: str, waiting: list[Request], view: PoolView) -> list[Award]:
    rule = mechanism(name)
    return list(rule.allocate(Line(rule, waiting), view, Ticks(9)).awards)


def admit(some: list[Request], pool: Pool) -> None:
    for one in some:
        pool.submit(one)

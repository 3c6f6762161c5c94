from hypothesis import given
from hypothesis import strategies as st

from swarm.gpu.leases import Lease, Request, Share
from swarm.gpu.mechanism import mechanism
from swarm.gpu.standings import Preemptive, Standings
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks


def lease(number: int, *, gpus: int, starts_at: int, duration: int, served: int) -> Lease:
    request = Request(
        contract=ContractId(f"a/{number:02d}"),
        holder=ActorId("a"),
        gpus=gpus,
        duration=Ticks(duration),
        bid=Credits(0),
        submitted_at=Ticks(0),
        served=Ticks(served),
    )
    return Lease(
        contract=request.contract,
        holder=request.holder,
        shares=(Share(node=0, gpus=tuple(range(gpus))),),
        granted_at=Ticks(starts_at),
        starts_at=Ticks(starts_at),
        ends_at=Ticks(starts_at + duration),
        is_begun=True,
        price=Credits(0),
        request=request,
        number=number,
    )


LEASES = st.lists(
    st.tuples(st.integers(1, 8), st.integers(0, 50), st.integers(1, 9_000), st.integers(0, 9_000)),
    max_size=15,
).map(
    lambda drawn: [
        lease(number, gpus=gpus, starts_at=at, duration=duration, served=served)
        for number, (gpus, at, duration, served) in enumerate(drawn)
    ]
)


@given(
    LEASES,
    st.sampled_from(["srtf", "srsf", "las"]),
    st.lists(st.integers(1, 2_000), min_size=1, max_size=5),
    st.data(),
)
def test_standings_are_what_sorting_everybody_at_that_time_gives(
    leases: list[Lease], name: str, steps: list[int], data: st.DataObject
) -> None:
    rule = mechanism(name)
    assert isinstance(rule, Preemptive)
    kept = Standings(rule, leases)
    now = 50
    running = leases.copy()

    for step in steps:
        now += step
        if running:
            gone = data.draw(st.sampled_from(running))
            running.remove(gone)
            kept.remove(gone)
        found = [standing.lease.contract for standing in kept.at(Ticks(now))]

        expected = sorted((rule.standing(one, Ticks(now))[0], one.contract) for one in running)
        assert found == [contract for _, contract in expected]
        changes = [rule.standing(one, Ticks(now))[1] for one in running]
        known = [change for change in changes if change is not None]
        assert kept.next_change() == min(known, default=None)


def test_who_may_not_be_stopped_does_not_stand() -> None:
    rule = mechanism("srtf")
    assert isinstance(rule, Preemptive)
    begun = lease(0, gpus=1, starts_at=0, duration=5, served=0)

    standings = Standings(rule, [])
    for change in ({"is_begun": False}, {"is_firm": True}, {"stops_at": Ticks(3)}):
        fields = {name: getattr(begun, name) for name in begun.__struct_fields__}
        standings.add(Lease(**(fields | change)))

    assert standings.at(Ticks(1)) == []

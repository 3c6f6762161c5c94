"""Who promises that no gang starves keeps the promise, and who does not is caught."""

import inspect
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.gpu.mechanism import Mechanism, mechanism, mechanisms
from swarm.gpu.patience import Patient
from swarm.gpu.placement import placement, placements
from swarm.gpu.rounds import Preemption
from swarm.units import Ticks
from tests.gpu.replaying import Work, play

NODES, GPUS_PER_NODE = 2, 4
GPUS = NODES * GPUS_PER_NODE
LONGEST = 6
PATIENCE = 10
STREAM = 100


def patient(name: str) -> Mechanism:
    return Patient(mechanism(name), patience=Ticks(PATIENCE))


def crowd(gangs: list[tuple[int, int]], *, large_at: int, large_for: int) -> list[Work]:
    """A gang of all GPUs, and small ones that come two a second for as long as anybody looks."""
    small = [
        Work(second, *gangs[(2 * second + one) % len(gangs)], bid=10**9, holder=f"b{one}")
        for second in range(STREAM)
        for one in range(2)
    ]
    large = Work(large_at, GPUS, large_for, bid=1, holder="large")
    return sorted([*small, large], key=lambda job: job.submit)


FEW = settings(max_examples=15)
CROWDS = st.lists(st.tuples(st.integers(1, 3), st.integers(3, LONGEST)), min_size=1, max_size=4)


def start_of_large(
    jobs: list[Work], rule: Mechanism, where: str, preemption: Preemption | None = None
) -> int:
    number = next(at for at, job in enumerate(jobs) if job.holder == "large")
    played = play(
        jobs,
        rule,
        placement(where),
        nodes=NODES,
        gpus_per_node=GPUS_PER_NODE,
        preemption=preemption,
    )
    return played.starts[number]


@pytest.mark.parametrize("name", ["fifo", "easy"])
@pytest.mark.parametrize("where", placements())
@FEW
@given(gangs=CROWDS, large_at=st.integers(0, 40), large_for=st.integers(1, LONGEST))
def test_who_reserves_lets_a_large_gang_wait_for_those_before_it_only(
    where: str, name: str, gangs: list[tuple[int, int]], large_at: int, large_for: int
) -> None:
    jobs = crowd(gangs, large_at=large_at, large_for=large_for)
    number = next(at for at, job in enumerate(jobs) if job.holder == "large")

    start = start_of_large(jobs, mechanism(name), where)

    # Had nobody come after it, it would have started no earlier than this says.
    assert start <= start_of_large(jobs[: number + 1], mechanism("fifo"), where) + LONGEST


@pytest.mark.parametrize("name", mechanisms())
@pytest.mark.parametrize("where", ["count", "consolidate"])
@FEW
@given(gangs=CROWDS, large_at=st.integers(0, 40), large_for=st.integers(1, LONGEST))
def test_with_patience_a_large_gang_starts_in_time_under_every_mechanism(
    where: str, name: str, gangs: list[tuple[int, int]], large_at: int, large_for: int
) -> None:
    jobs = crowd(gangs, large_at=large_at, large_for=large_for)
    number = next(at for at, job in enumerate(jobs) if job.holder == "large")

    start = start_of_large(jobs, patient(name), where, Preemption())

    # All who came before it may be served before it, one after the other at worst.
    before = sum(job.gpus * job.duration for job in jobs[:number])
    assert start <= jobs[number].submit + PATIENCE + before + 2 * LONGEST


@pytest.mark.parametrize("name", ["fifo_skip", "max_min", "sealed_bid", "sjf_skip", "srsf"])
def test_classical_mechanisms_let_a_large_gang_starve_and_say_so(name: str) -> None:
    jobs = crowd([(1, 5)], large_at=2, large_for=6)

    start = start_of_large(jobs, mechanism(name), "count", Preemption())

    assert start >= STREAM
    module = inspect.getmodule(type(mechanism(name)))
    assert module is not None
    assert re.search(r"starves? while", module.__doc__ or "")


@pytest.mark.parametrize("name", ["srtf", "las", "srsf"])
def test_who_was_served_for_its_patience_is_not_preempted(name: str) -> None:
    jobs = [Work(0, GPUS, 5), Work(0, GPUS, 40), *(Work(at, GPUS, 2) for at in range(1, 80, 2))]

    played = play(
        jobs,
        patient(name),
        placement("count"),
        nodes=NODES,
        gpus_per_node=GPUS_PER_NODE,
        preemption=Preemption(),
    )

    firm = [lease for lease in played.leases if lease.is_firm]
    assert firm
    for lease in firm:
        number = int(lease.contract.rpartition("/")[2])
        assert played.ends[number] == lease.ends_at


def test_patience_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="patience must be at least 1 second, came 0"):
        Patient(mechanism("fifo"), patience=Ticks(0))

"""Where nodes matter, and where notice is given."""

from hypothesis import given
from hypothesis import strategies as st

from swarm.gpu.mechanism import mechanism
from swarm.gpu.placement import placement
from swarm.gpu.rounds import Preemption
from swarm.units import Ticks
from tests.gpu.replaying import Played, Work, play


def srtf(
    jobs: list[Work],
    *,
    nodes: int = 2,
    where: str = "consolidate",
    notice: int = 0,
    cost: int = 0,
) -> Played:
    return play(
        jobs,
        mechanism("srtf"),
        placement(where),
        nodes=nodes,
        gpus_per_node=4,
        preemption=Preemption(notice=Ticks(notice), cost=Ticks(cost)),
    )


def test_nobody_is_stopped_for_who_fits_beside_them() -> None:
    played = srtf([Work(0, 3, 100), Work(1, 4, 5)])

    assert played.preemptions == []
    assert played.spans == [(0, 100), (1, 6)]


def test_who_needs_a_whole_node_stops_who_has_longest_to_go_on_one() -> None:
    # Three are on node 0 and three on node 1; neither has four idle.
    played = srtf([Work(0, 3, 100), Work(0, 3, 200), Work(1, 4, 5)])

    assert played.preemptions == [0]
    assert played.spans == [(0, 105), (0, 200), (1, 6)]


def test_stopping_and_resuming_costs_what_it_costs() -> None:
    played = srtf([Work(0, 4, 100), Work(1, 4, 5)], nodes=1, cost=30)

    assert played.spans == [(0, 135), (1, 6)]


def test_who_is_given_notice_works_on_until_it_is_stopped() -> None:
    played = srtf([Work(0, 4, 100), Work(1, 4, 5)], nodes=1, notice=10)

    # Stopped at 11 with 89 left; the other runs from 11 to 16.
    assert played.preemptions == [0]
    assert played.spans == [(0, 105), (11, 16)]


def test_who_ends_before_its_notice_is_over_is_not_preempted() -> None:
    played = srtf([Work(0, 4, 20), Work(15, 4, 2)], nodes=1, notice=10)

    assert played.preemptions == []
    assert played.spans == [(0, 20), (20, 22)]


def test_gpus_on_notice_are_not_asked_for_twice() -> None:
    # The second and third are both shorter than the first; one stop makes room for one only.
    jobs = [Work(0, 4, 100), Work(0, 4, 90), Work(1, 4, 5), Work(2, 4, 6)]

    played = srtf(jobs, notice=10, where="count")

    assert played.preemptions == [0, 1]
    assert played.spans[2:] == [(11, 16), (12, 18)]


TRACES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8), st.integers(1, 20)), min_size=1, max_size=20
).map(lambda drawn: [Work(*one) for one in sorted(drawn, key=lambda one: one[0])])


@given(
    TRACES,
    st.sampled_from(["srtf", "srsf", "las"]),
    st.sampled_from(["count", "consolidate", "spread", "fragmentation_aware"]),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_every_job_ends_and_runs_as_long_as_it_takes(
    jobs: list[Work], name: str, where: str, notice: int, cost: int
) -> None:
    played = play(
        jobs,
        mechanism(name),
        placement(where),
        nodes=2,
        gpus_per_node=4,
        preemption=Preemption(notice=Ticks(notice), cost=Ticks(cost)),
    )

    assert sorted(played.ends) == list(range(len(jobs)))
    for number, job in enumerate(jobs):
        stops = played.preemptions.count(number)
        start, end = played.starts[number], played.ends[number]
        assert start >= job.submit
        assert end - start >= job.duration + cost * stops


@given(TRACES)
def test_who_may_not_preempt_serves_what_fits(jobs: list[Work]) -> None:
    for name in ("srtf", "srsf", "las"):
        played = play(
            jobs, mechanism(name), placement("count"), nodes=2, gpus_per_node=4, preemption=None
        )

        assert played.preemptions == []
        assert all(played.ends[n] - played.starts[n] == job.duration for n, job in enumerate(jobs))

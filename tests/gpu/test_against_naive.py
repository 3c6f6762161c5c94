"""Every mechanism of which the rules can be said in ten lines does what these lines do."""

from hypothesis import given
from hypothesis import strategies as st

from swarm.gpu.mechanism import mechanism
from swarm.gpu.mechanisms.las import Las
from swarm.gpu.placement import placement
from swarm.gpu.rounds import Preemption
from tests.gpu import naive
from tests.gpu.replaying import Played, Work, play

NODES, GPUS_PER_NODE = 2, 4
GPUS = NODES * GPUS_PER_NODE
AT_NO_COST = Preemption()


@st.composite
def traces(draw: st.DrawFn) -> list[Work]:
    """Few different times, sizes and durations, so that ties are common."""
    drawn = draw(
        st.lists(
            st.tuples(st.integers(0, 30), st.sampled_from([1, 2, 3, 4, 8]), st.integers(1, 12)),
            min_size=1,
            max_size=25,
        )
    )
    return [Work(*one) for one in sorted(drawn, key=lambda one: one[0])]


def by_pool(jobs: list[Work], name: str, preemption: Preemption | None = None) -> Played:
    return play(
        jobs,
        mechanism(name),
        placement("count"),
        nodes=NODES,
        gpus_per_node=GPUS_PER_NODE,
        preemption=preemption,
    )


@given(traces())
def test_fifo_blocks(jobs: list[Work]) -> None:
    expected = naive.queue(jobs, GPUS, key=lambda job: job.submit, is_skipping=False)

    assert by_pool(jobs, "fifo").spans == expected


@given(traces())
def test_fifo_skip_skips(jobs: list[Work]) -> None:
    expected = naive.queue(jobs, GPUS, key=lambda job: job.submit, is_skipping=True)

    assert by_pool(jobs, "fifo_skip").spans == expected


@given(traces())
def test_sjf_blocks_by_duration(jobs: list[Work]) -> None:
    expected = naive.queue(jobs, GPUS, key=lambda job: job.duration, is_skipping=False)

    assert by_pool(jobs, "sjf").spans == expected


@given(traces())
def test_sjf_skip_skips_by_duration(jobs: list[Work]) -> None:
    expected = naive.queue(jobs, GPUS, key=lambda job: job.duration, is_skipping=True)

    assert by_pool(jobs, "sjf_skip").spans == expected
    assert by_pool(jobs, "srtf").spans == expected


@given(traces())
def test_srtf_keeps_the_order_of_a_stable_sort(jobs: list[Work]) -> None:
    expected, preemptions = naive.shortest(jobs, GPUS, by_gpu_time=False)

    played = by_pool(jobs, "srtf", AT_NO_COST)

    assert (played.spans, len(played.preemptions)) == (expected, preemptions)


@given(traces())
def test_srsf_keeps_the_order_of_a_stable_sort(jobs: list[Work]) -> None:
    expected, preemptions = naive.shortest(jobs, GPUS, by_gpu_time=True)

    played = by_pool(jobs, "srsf", AT_NO_COST)

    assert (played.spans, len(played.preemptions)) == (expected, preemptions)


@given(traces(), st.booleans(), st.sampled_from([(3,), (2, 7), (4, 8, 20)]))
def test_las_serves_queues_as_lists_that_jobs_move_between(
    jobs: list[Work], by_gpu_time: bool, thresholds: tuple[int, ...]
) -> None:
    expected, preemptions = naive.least_attained(
        jobs, GPUS, thresholds=thresholds, by_gpu_time=by_gpu_time
    )
    las = Las(thresholds=thresholds, measure="gpu_seconds" if by_gpu_time else "seconds")

    played = play(
        jobs,
        las,
        placement("count"),
        nodes=NODES,
        gpus_per_node=GPUS_PER_NODE,
        preemption=AT_NO_COST,
    )

    assert (played.spans, len(played.preemptions)) == (expected, preemptions)


@given(traces())
def test_easy_lets_ahead_whom_trying_everybody_would(jobs: list[Work]) -> None:
    assert by_pool(jobs, "easy").spans == naive.easy(jobs, GPUS)

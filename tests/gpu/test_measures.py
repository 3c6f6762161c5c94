import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.gpu.measures import JobRun, finish_time_fairness, jain_index, measures


def run(submit: int, gpus: int, duration: int, start: int, end: int) -> JobRun:
    return JobRun(f"{submit}-{end}", submit, 1_000 * gpus, duration, start, end)


def test_the_figures_of_a_schedule() -> None:
    # Two GPUs; the second job waits 6 seconds, the third is stopped for 4.
    runs = [
        run(0, 2, 10, 0, 10),
        run(4, 2, 5, 10, 15),
        run(5, 1, 7, 15, 26)._replace(preemptions=2),
    ]

    figures = measures(runs, gpus=2)

    assert figures["average_completion_s"] == pytest.approx((10 + 11 + 21) / 3)
    assert figures["median_completion_s"] == 11
    assert figures["average_queue_s"] == pytest.approx((0 + 6 + 14) / 3)
    assert figures["makespan_s"] == 26
    assert figures["utilisation"] == pytest.approx((20 + 10 + 7) / (2 * 26))
    assert figures["preemptions"] == 2


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    runs = [run(0, 1, 10, 0, 10), run(0, 1, 20, 0, 20)]

    assert measures(runs, gpus=2)["median_completion_s"] == 15


def test_jain_index_is_one_for_equals_and_one_nth_if_one_has_everything() -> None:
    assert jain_index([3.0, 3.0, 3.0]) == pytest.approx(1)
    assert jain_index([5.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert jain_index([0.0]) == 1


@given(st.lists(st.floats(0.001, 1), min_size=1))
def test_jain_index_lies_between_one_nth_and_one(shares: list[float]) -> None:
    assert 1 / len(shares) - 1e-9 <= jain_index(shares) <= 1 + 1e-9


def test_a_job_alone_is_served_as_fairly_as_can_be() -> None:
    assert finish_time_fairness([run(0, 4, 10, 0, 10)], gpus=4) == [1.0]


def test_who_has_its_share_of_a_shared_cluster_is_at_one() -> None:
    # Two gangs of 4 on 4 GPUs, one after the other: each has 10 s of work in 20 s for both.
    first, second = finish_time_fairness([run(0, 4, 10, 0, 10), run(0, 4, 10, 10, 20)], gpus=4)

    # The first shared with one other all its life, and was done in half the time of its share.
    assert first == pytest.approx(0.5)
    # The second shared for half of its life only: 1.5 jobs on average, so 15 s would be fair.
    assert second == pytest.approx(20 / 15)


def test_a_small_gang_needs_no_more_than_it_asks_for() -> None:
    ones = [run(0, 1, 10, 0, 10), run(0, 1, 10, 0, 10)]

    assert finish_time_fairness(ones, gpus=4) == [1.0, 1.0]


def test_percentile_and_worst_are_of_the_jobs_there_are() -> None:
    runs = [run(0, 1, 1, 0, 1 + late) for late in range(100)]

    figures = measures(runs, gpus=1_000)

    assert figures["worst_finish_time_fairness"] == 100
    assert figures["p95_finish_time_fairness"] == 95

import pytest

from swarm.analysis.intervals import difference_interval, jackknife, mean_interval


def test_the_interval_of_a_mean_is_students() -> None:
    found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])

    # 3 +- 2.776 * sqrt(2.5 / 5), from a table of Student's distribution with 4 degrees of freedom.
    assert found.mean == 3.0
    assert found.low == pytest.approx(3 - 2.776 * 0.70711, abs=1e-3)
    assert found.high == pytest.approx(3 + 2.776 * 0.70711, abs=1e-3)
    assert found.n == 5


def test_one_value_has_no_interval() -> None:
    assert mean_interval([2.5]) == (2.5, None, None, 1)


def test_the_difference_of_groups_is_welchs() -> None:
    # Welch's example of unequal groups: t 2.4389, 4.41 degrees of freedom by hand.
    ours, theirs = [5.0, 7.0, 9.0, 11.0], [1.0, 2.0, 3.0, 2.0]

    found = difference_interval(ours, theirs)

    assert found.mean == 6.0
    assert found.low is not None
    assert found.high is not None
    freedom = (20 / 3 / 4 + 2 / 3 / 4) ** 2 / ((20 / 3 / 4) ** 2 / 3 + (2 / 3 / 4) ** 2 / 3)
    assert 3 < freedom < 4
    # Student's quantiles for 3 and 4 degrees of freedom bound the one between them.
    error = (20 / 3 / 4 + 2 / 3 / 4) ** 0.5
    assert 2.776 * error < found.high - 6.0 < 3.182 * error


def test_groups_that_never_vary_differ_for_certain() -> None:
    assert difference_interval([2.0, 2.0], [1.0, 1.0]) == (1.0, 1.0, 1.0, 4)


def test_a_group_of_one_leaves_the_difference_without_interval() -> None:
    assert difference_interval([2.0], [1.0, 5.0]) == (-1.0, None, None, 3)


def test_the_jackknife_of_a_mean_is_its_interval() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    mean = sum(values) / 4
    left_out = [(sum(values) - one) / 3 for one in values]

    found = jackknife(mean, left_out)

    assert found == pytest.approx(mean_interval(values))

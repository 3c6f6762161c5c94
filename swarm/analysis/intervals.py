"""Means with intervals: of paired differences, of two groups, of statistics of pairs of runs."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from scipy import stats

LEVEL = 0.95
"""Coverage of every interval here."""


class Interval(NamedTuple):
    """A mean and where it lies; without bounds where fewer than two values speak for it."""

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_interval(values: Sequence[float]) -> Interval:
    """Returns the mean of independent values with Student's interval.

    Raises:
        statistics.StatisticsError: If there is none.
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, None, None, len(values))
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    return Interval(mean, mean - half, mean + half, len(values))


def difference_interval(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Returns the difference of two means, ours minus theirs, with Welch's interval."""
    mean = statistics.fmean(ours) - statistics.fmean(theirs)
    n = len(ours) + len(theirs)
    if min(len(ours), len(theirs)) < 2:
        return Interval(mean, None, None, n)
    a, b = (statistics.variance(values) / len(values) for values in (ours, theirs))
    if a + b == 0:
        return Interval(mean, mean, mean, n)
    freedom = (a + b) ** 2 / (a**2 / (len(ours) - 1) + b**2 / (len(theirs) - 1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(a + b)
    return Interval(mean, mean - half, mean + half, n)


def jackknife(of_all: float, without_each: Sequence[float]) -> Interval:
    """Returns a statistic of several runs with the interval that leaving each out gives.

    For statistics of pairs of runs, whose values are not independent.

    Source:
        Tukey's jackknife (Miller, Biometrika 61, 1974): pseudo-values and Student's interval.
    """
    n = len(without_each)
    pseudo = [n * of_all - (n - 1) * one for one in without_each]
    found = mean_interval(pseudo) if n else Interval(of_all, None, None, 0)
    return Interval(of_all, *_around(of_all, found), n)


def _around(mean: float, found: Interval) -> tuple[float | None, float | None]:
    if found.low is None or found.high is None:
        return None, None
    half = (found.high - found.low) / 2
    return mean - half, mean + half

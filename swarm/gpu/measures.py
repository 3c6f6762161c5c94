"""Measures: how well a schedule served those who asked for it.

All figures are of the jobs that ended. Times are in seconds.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from swarm.gpu.leases import MILLI


class JobRun(NamedTuple):
    """What became of one job that ended."""

    job_id: str
    submit_s: int
    size: int
    """Thousandths of a GPU."""
    duration_s: int
    start_s: int
    """When it first had its GPUs."""
    end_s: int
    preemptions: int = 0

    @property
    def completion_s(self) -> int:
        """From submission to the end."""
        return self.end_s - self.submit_s


def measures(runs: Sequence[JobRun], *, gpus: int) -> dict[str, float | int]:
    """Returns the figures of a schedule.

    Args:
        runs: At least one job.
        gpus: GPUs of the cluster.

    Returns:
        ``average_completion_s`` and ``median_completion_s`` from submission to end;
        ``average_queue_s``, the part of it in which the job did not get on; ``makespan_s`` from the
        first submission to the last end; ``utilisation``, the GPU time of all jobs over what the
        cluster had to offer in that time; ``preemptions``; ``jain_index`` of how fast jobs came
        through, duration over completion, 1 if all alike; and finish-time fairness, worst and
        at the 95th percentile: below 1 is better than an equal share of the cluster.
    """
    completions = sorted(run.completion_s for run in runs)
    n = len(runs)
    work = sum(run.size * run.duration_s for run in runs)
    makespan = max(run.end_s for run in runs) - min(run.submit_s for run in runs)
    fairness = sorted(finish_time_fairness(runs, gpus=gpus))
    return {
        "average_completion_s": sum(completions) / n,
        "median_completion_s": (completions[(n - 1) // 2] + completions[n // 2]) / 2,
        "average_queue_s": sum(run.completion_s - run.duration_s for run in runs) / n,
        "makespan_s": makespan,
        "utilisation": work / (MILLI * gpus * makespan),
        "preemptions": sum(run.preemptions for run in runs),
        "jain_index": jain_index([run.duration_s / run.completion_s for run in runs]),
        "worst_finish_time_fairness": fairness[-1],
        "p95_finish_time_fairness": fairness[math.ceil(0.95 * n) - 1],
    }


def jain_index(shares: Sequence[float]) -> float:
    """Returns (sum x)^2 / (n sum x^2): 1 if all shares are equal, 1/n if one has everything.

    Source: Jain, Chiu, Hawe, "A quantitative measure of fairness and discrimination for resource
    allocation in shared computer systems", DEC-TR-301 (1984).
    """
    squares = sum(x * x for x in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def finish_time_fairness(runs: Sequence[JobRun], *, gpus: int) -> list[float]:
    """Returns for each job its completion over what it would be with an equal share.

    The share is 1/N of the cluster, N being the mean number of jobs in the system while this one
    was. With a share of s GPUs a job of g runs at full speed if g <= s, otherwise at the speed s/g.

    Source: Mahajan et al., "Themis: Fair and Efficient GPU Cluster Scheduling", NSDI'20.
    Deviation: N is the mean over the life of the job; the source asks at one moment.
    """
    events = sorted([(run.submit_s, 1) for run in runs] + [(run.end_s, -1) for run in runs])
    times = [at for at, _ in events]
    active = list(accumulate(change for _, change in events))
    spans = (after - before for before, after in pairwise(times))
    areas = [0, *accumulate(n * span for n, span in zip(active, spans, strict=False))]

    def area(at: int) -> int:
        place = bisect_right(times, at) - 1
        return areas[place] + active[place] * (at - times[place])

    found: list[float] = []
    for run in runs:
        n_mean = (area(run.end_s) - area(run.submit_s)) / run.completion_s
        slowdown = max(1.0, run.size * n_mean / (MILLI * gpus))
        found.append(run.completion_s / (run.duration_s * slowdown))
    return found

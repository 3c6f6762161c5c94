"""Schedulers written as plainly as possible, to hold the real ones against.

They follow the rules in words, look at every job at every event, and know only how many GPUs are
free. One instant: who has ended releases, who comes is admitted, then it is scheduled.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.gpu.replaying import Work


@dataclass(eq=False)
class Job:
    """A job on its way."""

    number: int
    work: Work
    left: int
    start: int = -1
    end: int = -1
    is_running: bool = False
    served: int = 0
    level: int = 0


def queue(
    jobs: list[Work], gpus: int, *, key: Callable[[Work], int], is_skipping: bool
) -> list[tuple[int, int]]:
    """One queue sorted stably; the first that does not fit blocks, or is skipped."""
    every = [Job(n, work, work.duration) for n, work in enumerate(jobs)]
    waiting: list[Job] = []
    running: list[Job] = []
    for now in _instants(every, running):
        running[:] = [job for job in running if job.end != now]
        waiting += [job for job in every if job.work.submit == now]
        waiting.sort(key=lambda job: key(job.work))
        free = gpus - sum(job.work.gpus for job in running)
        for job in waiting.copy():
            if job.work.gpus <= free:
                free -= job.work.gpus
                job.start, job.end = now, now + job.work.duration
                waiting.remove(job)
                running.append(job)
            elif not is_skipping:
                break
    return [(job.start, job.end) for job in every]


def shortest(
    jobs: list[Work], gpus: int, *, by_gpu_time: bool
) -> tuple[list[tuple[int, int]], int]:
    """All jobs in one list that is sorted stably at every event; whoever fits runs."""
    every = [Job(n, work, work.duration) for n, work in enumerate(jobs)]
    active: list[Job] = []
    before = preemptions = 0
    for now in _instants(every, active):
        _work(active, now - before)
        before = now
        active[:] = [job for job in active if job.left]
        active += [job for job in every if job.work.submit == now]
        active.sort(key=lambda job: job.left * (job.work.gpus if by_gpu_time else 1))
        preemptions += _run_what_fits(active, gpus, now)
    return [(job.start, job.end) for job in every], preemptions


def least_attained(
    jobs: list[Work], gpus: int, *, thresholds: tuple[int, ...], by_gpu_time: bool
) -> tuple[list[tuple[int, int]], int]:
    """Queues by service; in each, those who ran come first, in the order that they had."""
    every = [Job(n, work, work.duration) for n, work in enumerate(jobs)]
    queues: list[list[Job]] = [[] for _ in (*thresholds, 0)]
    active: list[Job] = []
    before = preemptions = 0

    def service(job: Job) -> int:
        return job.served * (job.work.gpus if by_gpu_time else 1)

    def falls() -> list[int]:
        found = []
        for job in active:
            if job.is_running and job.level < len(thresholds):
                rate = job.work.gpus if by_gpu_time else 1
                found.append(before - (-(thresholds[job.level] - service(job)) // rate))
        return found

    for now in _instants(every, active, falls):
        _work(active, now - before)
        before = now
        for job in [job for job in active if not job.left]:
            active.remove(job)
            queues[job.level].remove(job)
        new = [job for job in every if job.work.submit == now]
        active += new
        queues[0] += new
        for job in active:
            while job.level < len(thresholds) and service(job) >= thresholds[job.level]:
                queues[job.level].remove(job)
                job.level += 1
                queues[job.level].append(job)
        preemptions += _run_what_fits([job for one in queues for job in one], gpus, now)
        for one in queues:
            one.sort(key=lambda job: not job.is_running)
    return [(job.start, job.end) for job in every], preemptions


def easy(jobs: list[Work], gpus: int) -> list[tuple[int, int]]:
    """Backfilling with one reservation, by trying every job that waits."""
    every = [Job(n, work, work.duration) for n, work in enumerate(jobs)]
    waiting: list[Job] = []
    running: list[Job] = []
    for now in _instants(every, running):
        running[:] = [job for job in running if job.end != now]
        waiting += [job for job in every if job.work.submit == now]
        reserved_at, spare = -1, 0
        for job in waiting.copy():
            free = gpus - sum(one.work.gpus for one in running)
            fits = job.work.gpus <= free
            if not fits and reserved_at < 0:
                reserved_at, spare = _reservation(job.work.gpus, free, running)
                continue
            if reserved_at >= 0 and fits and now + job.work.duration > reserved_at:
                fits = job.work.gpus <= spare
                spare -= job.work.gpus if fits else 0
            if fits:
                job.start, job.end = now, now + job.work.duration
                waiting.remove(job)
                running.append(job)
    return [(job.start, job.end) for job in every]


def _reservation(wanted: int, free: int, running: list[Job]) -> tuple[int, int]:
    """Returns when that many GPUs will be free, and how many more at the end of that instant."""
    ends = sorted({job.end for job in running})
    for end in ends:
        free_then = free + sum(job.work.gpus for job in running if job.end <= end)
        if free_then >= wanted:
            return end, free_then - wanted
    message = "a gang larger than the cluster"
    raise AssertionError(message)


def _instants(
    every: list[Job], active: list[Job], falls: Callable[[], list[int]] = list
) -> "_Instants":
    return _Instants(every, active, falls)


class _Instants:
    """Arrivals, ends of those who run, and falls; each instant once."""

    def __init__(self, every: list[Job], active: list[Job], falls: Callable[[], list[int]]) -> None:
        self._every, self._active, self._falls = every, active, falls
        self._now = -1

    def __iter__(self) -> "_Instants":
        return self

    def __next__(self) -> int:
        dues = [job.work.submit for job in self._every]
        dues += [job.end for job in self._active]
        later = [due for due in (*dues, *self._falls()) if due > self._now]
        if not later:
            raise StopIteration
        self._now = min(later)
        return self._now


def _work(active: list[Job], passed: int) -> None:
    for job in active:
        if job.is_running:
            job.left -= passed
            job.served += passed


def _run_what_fits(order: list[Job], gpus: int, now: int) -> int:
    """Keeps or starts who fits; returns how many are stopped."""
    stopped = 0
    for job in order:
        fits = job.work.gpus <= gpus
        gpus -= job.work.gpus if fits else 0
        stopped += job.is_running and not fits
        job.is_running = fits
        job.end = now + job.left if fits else -1
        if fits and job.start < 0:
            job.start = now
    return stopped

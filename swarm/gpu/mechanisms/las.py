"""Las: least attained service, in queues; who has had much gives way to who has had little.

Protocol  A job starts in the first queue and falls into the next when the service it has had
          reaches a threshold; that is looked at the moment it happens. Whoever fits, queue by
          queue, keeps or gets GPUs. In a queue come first those who run in it, longest first; then
          who was preempted from it, latest first; then who came to it, in that order.
          A pool that does not preempt serves what fits, in the same order.
Payment   The reserve price: a bid buys no place in the queue.
Waiting   A job in a low queue starves while new ones keep coming, unless patience is set.
Source    Discretised LAS of Tiresias (Gu et al., NSDI'19) and ``dlas_sim_jobs`` of its simulator,
          without promotion. Deviation: a job falls when its GPU time reaches the threshold; the
          simulator's ``dlas-gpu`` looks at a time computed from its seconds, so it falls late.
"""

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal, TypeAlias

from swarm.errors import UsageError
from swarm.gpu.leases import MILLI, Lease, Request
from swarm.gpu.line import Entry, Key, Line
from swarm.gpu.mechanism import PoolView, Round
from swarm.gpu.preemption import keep_or_start
from swarm.gpu.serving import serve_what_fits
from swarm.units import Ticks

Measure: TypeAlias = Literal["gpu_seconds", "seconds"]


class Las:
    """Preemptive least attained service.

    Args:
        thresholds: Service at which a job falls into the next queue, whole numbers, ascending.
        measure: What service is counted in.

    Raises:
        UsageError: If the thresholds are not ascending and above 0, or the measure is unknown.
    """

    def __init__(
        self,
        *,
        thresholds: int | Sequence[float] = (3_250, 7_200),
        measure: Measure = "gpu_seconds",
    ) -> None:
        given = (thresholds,) if isinstance(thresholds, int) else tuple(thresholds)
        if not given or not all(
            isinstance(after, int) and after > before for before, after in pairwise((0, *given))
        ):
            came = ", ".join(map(str, given)) or "none"
            what = f"thresholds must be ascending whole numbers above 0, at least one, came {came}"
            raise UsageError(what=what)
        if measure not in {"gpu_seconds", "seconds"}:
            raise UsageError(what=f"measure must be gpu_seconds or seconds, came {measure!r}")
        self._thresholds = tuple(map(int, given))
        self._measure = measure

    def order(self, request: Request) -> Key:
        """By queue, then as the module says."""
        at = request.waits_since
        level = self._level(request, request.served)
        is_preempted = request.stopped_at is not None
        has_fallen_then = self._level(request, request.served - 1) < level
        since = -at if is_preempted and not has_fallen_then else at
        return (level, since, request.stop_number, *request.turn)

    def group(self, request: Request) -> Hashable:
        """By size."""
        return request.size

    def standing(self, lease: Lease, now: Ticks) -> tuple[Key, Ticks | None]:
        """By queue, then by the time since it has been running in it."""
        request = lease.request
        first = self._level(request, request.served)
        level = self._level(request, request.served + now - lease.starts_at)
        if level == first:
            key: Key = (level, lease.starts_at, 0, lease.number)
        else:
            joined = lease.starts_at - request.served + self._ticks(request, level - 1)
            key = (level, joined, 1, *request.turn)
        return key, self._fall(request, level, lease.starts_at)

    def place(self, entry: Entry, now: Ticks) -> Key:
        """Behind who runs in its queue, but before who falls into it at this moment."""
        return (entry.key[0], now, 1)

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:
        """Returns whom to stop and whom to start, and when somebody will fall next."""
        if not view.may_preempt:
            return Round(awards=serve_what_fits(line, view))
        decided = keep_or_start(self, line, view, now)
        if len(line) == len(decided.awards) and not decided.stops:
            return decided  # nobody is left to gain by it when somebody falls
        falls = [self._first_fall(award.request, now) for award in decided.awards]
        known = [at for at in (*falls, view.standings_change_at) if at is not None]
        return replace(decided, again_at=min(known, default=None))

    def _first_fall(self, request: Request, now: Ticks) -> Ticks | None:
        return self._fall(request, self._level(request, request.served), now)

    def _fall(self, request: Request, level: int, starts_at: Ticks) -> Ticks | None:
        if level == len(self._thresholds):
            return None
        return Ticks(starts_at - request.served + self._ticks(request, level))

    def _level(self, request: Request, ran: int) -> int:
        return bisect_right(self._thresholds, self._rate(request) * ran // MILLI)

    def _ticks(self, request: Request, level: int) -> int:
        """Returns how long a job runs, preemptions apart, until it falls out of a queue."""
        return -(-self._thresholds[level] * MILLI // self._rate(request))

    def _rate(self, request: Request) -> int:
        return request.size if self._measure == "gpu_seconds" else MILLI

"""Srtf: shortest remaining time first; who has longer to go is preempted.

Protocol  Whenever a job comes or ends, all jobs are put in order of their remaining time, and
          whoever fits in that order keeps or gets GPUs. Ties go to who came to that remaining time
          first. A pool that does not preempt gets ``sjf_skip``.
Payment   The reserve price: a bid buys no place in the queue.
Waiting   Long jobs and large gangs starve while others keep coming, unless patience is set.
Source    ``shortest`` of Tiresias' simulator (Gu et al., NSDI'19).
          Deviation: what a preemption costs is added to the remaining time; nothing by default.
"""

from collections.abc import Hashable

from swarm.gpu.leases import Lease, Request
from swarm.gpu.line import Entry, Key, Line
from swarm.gpu.mechanism import PoolView, Round
from swarm.gpu.preemption import came_first, keep_or_start, started_first
from swarm.gpu.serving import serve_what_fits
from swarm.units import Ticks


class Srtf:
    """Preemptive shortest remaining time first."""

    def order(self, request: Request) -> Key:
        """By what is left, then by how long it has been that much."""
        return (request.duration, *came_first(request))

    def group(self, request: Request) -> Hashable:
        """By size."""
        return request.size

    def standing(self, lease: Lease, now: Ticks) -> tuple[Key, Ticks | None]:
        """By the end: of who runs everybody comes nearer to it at the same pace."""
        del now
        return (lease.ends_at, 0, *started_first(lease)), None

    def place(self, entry: Entry, now: Ticks) -> Key:
        """Before who runs and has as much left, unless it came just now."""
        request = entry.request
        return (now + request.duration, -1 if request.waits_since < now else 1)

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:
        """Returns whom to stop and whom to start."""
        if not view.may_preempt:
            return Round(awards=serve_what_fits(line, view))
        return keep_or_start(self, line, view, now)

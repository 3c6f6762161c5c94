"""Srsf: shortest remaining service first; service is time multiplied by GPUs.

Protocol  As ``srtf``, in order of remaining GPU time.
Payment   The reserve price: a bid buys no place in the queue.
Waiting   Large and long jobs starve while others keep coming, unless patience is set.
Source    ``shortest-gpu`` of Tiresias' simulator (Gu et al., NSDI'19).
          Deviation: what a preemption costs is added to the remaining time; nothing by default.
"""

from collections.abc import Hashable

from swarm.gpu.leases import Lease, Request
from swarm.gpu.line import Entry, Key, Line
from swarm.gpu.mechanism import PoolView, Round
from swarm.gpu.preemption import came_first, keep_or_start, started_first
from swarm.gpu.serving import serve_what_fits
from swarm.units import Ticks


class Srsf:
    """Preemptive shortest remaining service first."""

    def order(self, request: Request) -> Key:
        """By the GPU time that is left, then by how long it has been that much."""
        return (request.duration * request.size, *came_first(request))

    def group(self, request: Request) -> Hashable:
        """By size."""
        return request.size

    def standing(self, lease: Lease, now: Ticks) -> tuple[Key, Ticks | None]:
        """By the GPU time that is left; of two with as much, the smaller had less before."""
        left = (lease.ends_at - now) * lease.size
        return (left, 0, lease.size, *started_first(lease)), Ticks(now + 1)

    def place(self, entry: Entry, now: Ticks) -> Key:
        """Before who runs and has as much left, unless it came just now."""
        request = entry.request
        left = request.duration * request.size
        return (left, -1 if request.waits_since < now else 1)

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:
        """Returns whom to stop and whom to start."""
        if not view.may_preempt:
            return Round(awards=serve_what_fits(line, view))
        return keep_or_start(self, line, view, now)

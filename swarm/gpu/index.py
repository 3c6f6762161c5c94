"""Index: what follows from a pool's state and is asked for so often that it is kept at hand.

It is never encoded. A pool that was decoded makes it anew from its fields, so it must hold nothing
that cannot be found there, and nobody may see whether it was made a moment or a year ago.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping

from swarm.gpu.devices import Cluster
from swarm.gpu.leases import MILLI, Lease, Request
from swarm.gpu.line import Line, Order
from swarm.gpu.standings import Preemptive, Standings
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Ticks


class Index:
    """Kept up to date by the pool.

    Args:
        cluster: What there is.
        idle: Wholly idle GPUs by node.
        shared: Free thousandths by GPU and node.
        leases: Who holds GPUs.
    """

    def __init__(
        self,
        cluster: Cluster,
        idle: Iterable[list[int]],
        shared: Mapping[int, Mapping[int, int]],
        leases: Iterable[Lease],
    ) -> None:
        self.sizes = cluster.sizes
        """All GPUs of each node."""
        self.gpus = cluster.gpus
        """All GPUs."""
        self.idle = [len(gpus) for gpus in idle]
        """Wholly idle GPUs of each node, counted."""
        self.slices: dict[int, list[int]] = {}
        """Free thousandths of the GPUs that are shared and have room, ascending, by node."""
        self.free = MILLI * sum(self.idle)
        """Thousandths of a GPU that nobody holds."""
        self.by_end: list[Lease] = []
        """Leases by their end, ties by contract."""
        self.held: dict[ActorId, int] = {}
        """Thousandths of a GPU by holder."""
        self._order: Order | None = None
        self._line: Line | None = None
        self._standings: Standings | None = None
        for node, free_by_gpu in shared.items():
            self.sliced(node, free_by_gpu)
        for lease in leases:
            self.granted(lease)

    def line(self, order: Order, waiting: Mapping[ContractId, Request]) -> Line:
        """Returns the line of a mechanism."""
        if self._line is None or self._order is not order:
            self._order, self._line = order, Line(order, waiting.values())
        return self._line

    def standings(self, rule: Preemptive) -> Standings:
        """Returns who runs, as a mechanism sees them."""
        if self._standings is None or self._standings.rule is not rule:
            self._standings = Standings(rule, self.by_end)
        return self._standings

    def came(self, request: Request) -> None:
        """A request waits."""
        if self._line is not None:
            self._line.add(request)

    def went(self, request: Request) -> None:
        """A request waits no longer."""
        if self._line is not None:
            self._line.remove(request)

    def granted(self, lease: Lease) -> None:
        """A lease is held."""
        insort(self.by_end, lease, key=_end)
        self.held[lease.holder] = self.held.get(lease.holder, 0) + lease.size
        if self._standings is not None:
            self._standings.add(lease)

    def released(self, lease: Lease) -> None:
        """A lease is over."""
        del self.by_end[bisect_left(self.by_end, _end(lease), key=_end)]
        if self._standings is not None:
            self._standings.remove(lease)
        left = self.held[lease.holder] - lease.size
        if left:
            self.held[lease.holder] = left
        else:
            del self.held[lease.holder]

    def moved(self, node: int, gpus: int) -> None:
        """GPUs have become idle, or are idle no more if the number is below 0."""
        self.idle[node] += gpus
        self.free += MILLI * gpus

    def sliced(self, node: int, free_by_gpu: Mapping[int, int]) -> None:
        """What is free on the shared GPUs of a node has changed."""
        before = self.slices.pop(node, ())
        after = sorted(free for free in free_by_gpu.values() if free)
        if after:
            self.slices[node] = after
        self.free += sum(after) - sum(before)


def _end(lease: Lease) -> tuple[Ticks, ContractId]:
    return lease.ends_at, lease.contract

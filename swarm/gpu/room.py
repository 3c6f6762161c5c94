"""Room: idle GPUs, node by node, while a mechanism fills them."""

from bisect import insort
from collections.abc import Mapping, Sequence

from swarm.gpu.leases import MILLI, Request, Take
from swarm.gpu.placement import Placement


class Room:
    """A scratch copy of what is idle. Nothing done to it touches the pool.

    Args:
        placement: Where gangs go.
        idle: Wholly idle GPUs of each node, in node order.
        sizes: All GPUs of each node.
        slices: Free thousandths of shared GPUs, ascending, by node.
    """

    __slots__ = ("free", "idle", "placement", "sizes", "slices")

    def __init__(
        self,
        placement: Placement,
        idle: Sequence[int],
        sizes: Sequence[int],
        slices: Mapping[int, Sequence[int]],
    ) -> None:
        self.placement = placement
        self.idle = list(idle)
        self.sizes = sizes
        self.slices = {node: list(frees) for node, frees in slices.items()} if slices else {}
        self.free = MILLI * sum(idle) + sum(map(sum, self.slices.values()))
        """Thousandths of a GPU that nobody holds."""

    def place(self, request: Request) -> tuple[Take, ...] | None:
        """Returns where a gang or a slice would go, and takes nothing."""
        if request.size > self.free:
            return None
        if request.gpus:
            return self.placement.place(
                request.gpus, idle=self.idle, sizes=self.sizes, slices=self.slices
            )
        take = self.placement.place_slice(request.milli, idle=self.idle, slices=self.slices)
        return None if take is None else (take,)

    def fits(self, takes: Sequence[Take]) -> bool:
        """Says whether what ``place`` returned for another room could be taken from this one."""
        return all(
            self.idle[take.node] >= take.gpus
            if take.gpus
            else self.idle[take.node] > 0
            if take.on == MILLI
            else take.on in self.slices.get(take.node, ())
            for take in takes
        )

    def take(self, takes: Sequence[Take]) -> None:
        """Fills what ``place`` returned."""
        for take in takes:
            self.idle[take.node] -= take.gpus
            self.free -= MILLI * take.gpus + take.milli
            if take.milli:
                self._take_slice(take)

    def give(self, node: int, gpus: int) -> None:
        """Adds whole GPUs of a gang that ends."""
        self.idle[node] += gpus
        self.free += MILLI * gpus

    def copy(self) -> "Room":
        """Returns the same room, to be filled differently."""
        return Room(self.placement, self.idle, self.sizes, self.slices)

    def merged(self) -> "Room":
        """Returns one node with the whole GPUs of all, for placements that only count them."""
        return Room(self.placement, [sum(self.idle)], [sum(self.sizes)], {})

    def within(self, other: "Room") -> "Room":
        """Returns what is idle in both rooms; slices are those of this one."""
        idle = list(map(min, self.idle, other.idle))
        return Room(self.placement, idle, self.sizes, self.slices)

    def likeness(self) -> tuple[object, ...]:
        """Returns what decides what fits: rooms that are alike fit the same gangs for ever."""
        if not self.slices:
            return tuple(sorted(self.idle))
        shared = (tuple(self.slices.get(node, ())) for node in range(len(self.idle)))
        return tuple(sorted(zip(self.idle, shared, strict=True)))

    def _take_slice(self, take: Take) -> None:
        frees = self.slices.setdefault(take.node, [])
        if take.on == MILLI:
            self.idle[take.node] -= 1
        else:
            frees.remove(take.on)
        if take.on > take.milli:
            insort(frees, take.on - take.milli)

"""Spread: GPU by GPU on the node that has most idle, so that a lost node costs a gang little.

Source: the ``LeastAllocated`` scoring of the Kubernetes scheduler, per GPU instead of per pod.
"""

from collections.abc import Sequence
from typing import ClassVar

from swarm.gpu.leases import MILLI, Take
from swarm.gpu.placements.slices import NO_SLICES, Slices


class Spread:
    """Worst fit; ties go to the lowest node."""

    is_countable: ClassVar[bool] = True

    def place(
        self,
        gpus: int,
        *,
        idle: Sequence[int],
        sizes: Sequence[int],
        slices: Slices = NO_SLICES,
    ) -> tuple[Take, ...] | None:
        """Returns where a gang goes, or None if it does not fit."""
        del sizes, slices  # any idle GPU will do
        if gpus > sum(idle):
            return None
        # GPU by GPU from the emptiest node is the same as lowering all nodes to one level of idle
        # GPUs, and one more on the first few of those that stand at it.
        level = max(idle)
        above = 0
        while above + (at_level := sum(n_idle >= level for n_idle in idle)) <= gpus and level:
            above += at_level
            level -= 1
        left = gpus - above
        takes: list[Take] = []
        for node, n_idle in enumerate(idle):
            n = max(0, n_idle - level)
            if left and n_idle >= level > 0:
                n, left = n + 1, left - 1
            if n:
                takes.append(Take(node=node, gpus=n))
        return tuple(takes)

    def place_slice(self, milli: int, *, idle: Sequence[int], slices: Slices) -> Take | None:
        """Returns on which GPU a slice goes: an idle one, else the emptiest that is shared."""
        most = max(idle)
        if most:
            return Take(node=idle.index(most), gpus=0, milli=milli, on=MILLI)
        shared = [(-frees[-1], node) for node, frees in slices.items() if frees[-1:]]
        free, node = min(shared, default=(0, 0))
        return Take(node=node, gpus=0, milli=milli, on=-free) if -free >= milli else None

    def largest(self, *, idle: Sequence[int], sizes: Sequence[int]) -> int:
        """Returns the largest gang that fits; every smaller one fits as well."""
        del sizes
        return sum(idle)

"""Count: a gang fits if that many GPUs are idle anywhere; nodes are filled in order of their ids.

Source: the ``count`` scheme of Tiresias' simulator (Gu et al., NSDI'19), which names no nodes.
"""

from collections.abc import Sequence
from typing import ClassVar

from swarm.gpu.leases import Take
from swarm.gpu.placements.slices import NO_SLICES, Slices, fullest_gpu


class Count:
    """Whole GPUs wherever they are; a slice goes to the fullest GPU that has room."""

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
        takes: list[Take] = []
        for node, n_idle in enumerate(idle):
            if n_idle:
                n = min(gpus, n_idle)
                takes.append(Take(node=node, gpus=n))
                gpus -= n
                if not gpus:
                    return tuple(takes)
        return None

    def place_slice(self, milli: int, *, idle: Sequence[int], slices: Slices) -> Take | None:
        """Returns on which GPU a slice goes, or None if it does not fit."""
        return fullest_gpu(milli, idle=idle, slices=slices)

    def largest(self, *, idle: Sequence[int], sizes: Sequence[int]) -> int:
        """Returns the largest gang that fits; every smaller one fits as well."""
        del sizes
        return sum(idle)

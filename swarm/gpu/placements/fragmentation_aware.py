"""FragmentationAware: where the GPUs that a typical job could no longer use grow the least.

A GPU's free part is a *fragment* for a job that could not use it: all of a node's free GPUs if the
job does not fit on that node, otherwise those GPUs that have less room than it wants of one. The
fragmentation of a node is the expected size of its fragments over a mix of typical jobs. A gang
that fits on a node goes where that sum grows least, ties to the node with fewest idle GPUs, then
to the lowest id; a larger gang takes wholly idle nodes, and its remainder goes by the same rule.

Source: Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation
Gradient Descent", ATC'23. Deviations: the only resource is the GPU (no CPU,
memory or type); the mix of typical jobs is a constant of this file, not estimated from the queue.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from swarm.gpu.leases import MILLI, Take
from swarm.gpu.placements.consolidate import Consolidate
from swarm.gpu.placements.slices import NO_SLICES, Slices

TYPICAL_JOBS = ((250, 20), (500, 20), (1_000, 48), (2_000, 4), (4_000, 4), (8_000, 4))
"""(thousandths of a GPU, share in percent) of the jobs that fragments are counted for.

A mix of slices, single GPUs and few larger gangs, in the spirit of the traces behind the source;
the shares themselves are our choice.
"""


class FragmentationAware:
    """Steepest descent of fragmentation, one placement at a time."""

    is_countable: ClassVar[bool] = False

    def place(
        self,
        gpus: int,
        *,
        idle: Sequence[int],
        sizes: Sequence[int],
        slices: Slices = NO_SLICES,
    ) -> tuple[Take, ...] | None:
        """Returns where a gang goes, or None if it does not fit."""
        size = max(sizes)
        n_whole, rest = divmod(gpus, size) if gpus > size else (0, gpus)
        whole = [node for node, n_idle in enumerate(idle) if n_idle == size][:n_whole]
        if len(whole) < n_whole:
            return None
        takes = [Take(node=node, gpus=size) for node in whole]
        if rest:
            grown = [
                (_growth(n_idle, tuple(slices.get(node, ())), rest), n_idle, node)
                for node, n_idle in enumerate(idle)
                if n_idle >= rest and node not in whole
            ]
            if not grown:
                return None
            takes.append(Take(node=min(grown)[2], gpus=rest))
        return tuple(sorted(takes, key=lambda take: take.node))

    def place_slice(self, milli: int, *, idle: Sequence[int], slices: Slices) -> Take | None:
        """Returns on which GPU a slice goes, or None if it does not fit."""
        options: list[tuple[int, int, int, int]] = []
        for node, n_idle in enumerate(idle):
            frees = tuple(slices.get(node, ()))
            now = _fragments(n_idle, frees)
            for at, on in enumerate(frees):
                if on >= milli:
                    left = tuple(sorted((*frees[:at], *frees[at + 1 :], on - milli)))
                    options.append((_fragments(n_idle, left) - now, n_idle, node, on))
            if n_idle:
                left = tuple(sorted((*frees, MILLI - milli)))
                options.append((_fragments(n_idle - 1, left) - now, n_idle, node, MILLI))
        if not options:
            return None
        _, _, node, on = min(options)
        return Take(node=node, gpus=0, milli=milli, on=on)

    def largest(self, *, idle: Sequence[int], sizes: Sequence[int]) -> int:
        """Returns the largest gang that fits; every smaller one fits as well."""
        return Consolidate().largest(idle=idle, sizes=sizes)


def _growth(n_idle: int, frees: tuple[int, ...], gpus: int) -> int:
    return _fragments(n_idle - gpus, frees) - _fragments(n_idle, frees)


@lru_cache(maxsize=1 << 16)
def _fragments(n_idle: int, frees: tuple[int, ...]) -> int:
    """Returns the expected fragments of a node, in thousandths of a GPU times percent."""
    free = MILLI * n_idle + sum(frees)
    total = 0
    for size, percent in TYPICAL_JOBS:
        if size >= MILLI:
            is_usable, unusable = MILLI * n_idle >= size, sum(frees)
        else:
            is_usable = n_idle > 0 or max(frees, default=0) >= size
            unusable = sum(one for one in frees if one < size)
        total += percent * (unusable if is_usable else free)
    return total

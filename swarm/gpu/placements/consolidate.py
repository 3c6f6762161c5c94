"""Consolidate: as few nodes as possible, and the fullest node that has room.

A gang no larger than a node goes to one node, fewest idle GPUs first, ties by node id. A larger
one takes wholly idle nodes, lowest id first, and its remainder goes to one more node by the same
rule.

Source: the ``consolidate`` placer of HeliosArtifact (Hu et al., SC'21), for equal nodes.
Deviation: nodes may differ; a node counts as whole if it has the size of the largest.
"""

from collections.abc import Sequence
from typing import ClassVar

from swarm.gpu.leases import Take
from swarm.gpu.placements.slices import NO_SLICES, Slices, fullest_gpu


class Consolidate:
    """Best fit on nodes."""

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
        del slices  # whole nodes matter, not what is left of shared GPUs
        size = max(sizes)
        n_whole, rest = divmod(gpus, size) if gpus > size else (0, gpus)
        whole: list[int] = []
        if n_whole:
            whole = [node for node, n_idle in enumerate(idle) if n_idle == size][:n_whole]
            if len(whole) < n_whole:
                return None
        takes = [Take(node=node, gpus=size) for node in whole]
        if rest:
            node = _fullest_with_room(rest, size, idle=idle, n_whole=n_whole)
            if node is None:
                return None
            takes.append(Take(node=node, gpus=rest))
        return tuple(sorted(takes, key=lambda take: take.node)) if n_whole else tuple(takes)

    def place_slice(self, milli: int, *, idle: Sequence[int], slices: Slices) -> Take | None:
        """Returns on which GPU a slice goes, or None if it does not fit."""
        return fullest_gpu(milli, idle=idle, slices=slices)

    def largest(self, *, idle: Sequence[int], sizes: Sequence[int]) -> int:
        """Returns the largest gang that fits; every smaller one fits as well."""
        size = max(sizes)
        n_whole = sum(n_idle == size for n_idle in idle)
        return n_whole * size + max((n_idle for n_idle in idle if n_idle < size), default=0)


def _fullest_with_room(gpus: int, size: int, *, idle: Sequence[int], n_whole: int) -> int | None:
    """Returns the node, when the first ``n_whole`` of the wholly idle ones are spoken for."""
    for n_idle in range(gpus, size + 1):
        at = -1
        for _ in range(1 + n_whole if n_idle == size else 1):
            try:
                at = idle.index(n_idle, at + 1)
            except ValueError:
                at = -1
                break
        if at >= 0:
            return at
    return None

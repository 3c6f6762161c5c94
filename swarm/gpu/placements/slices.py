"""Slices: the fullest GPU that still has room for a fraction, as several policies want it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from swarm.gpu.leases import MILLI, Take

Slices = Mapping[int, Sequence[int]]
"""Free thousandths of the GPUs that are shared, ascending, by node."""

NO_SLICES: Slices = MappingProxyType({})
"""Nobody shares a GPU."""


def fullest_gpu(milli: int, *, idle: Sequence[int], slices: Slices) -> Take | None:
    """Returns the shared GPU with the least room that suffices, or opens one on the fullest node.

    Ties go to the lowest node.
    """
    shared = [(free, node) for node, frees in slices.items() for free in frees if free >= milli]
    if shared:
        on, node = min(shared)
        return Take(node=node, gpus=0, milli=milli, on=on)
    opened = [(n_idle, node) for node, n_idle in enumerate(idle) if n_idle]
    return Take(node=min(opened)[1], gpus=0, milli=milli, on=MILLI) if opened else None

"""Placement: which nodes a gang gets.

A policy only counts idle GPUs per node. It must be *monotone*: a gang that fits in some idle
GPUs fits when more are idle. Prices of the sealed-bid mechanism are defined by that.
"""

from collections.abc import Sequence
from typing import Protocol

from swarm.gpu.leases import Take


class Placement(Protocol):
    """A way to choose nodes, without arguments to construct and without state."""

    def place(
        self, gpus: int, *, idle: Sequence[int], sizes: Sequence[int]
    ) -> tuple[Take, ...] | None:
        """Returns where a gang goes, or None if it does not fit.

        Args:
            gpus: Gang size, at least 1.
            idle: Idle GPUs of each node, in node order.
            sizes: All GPUs of each node.
        """

    def largest(self, *, idle: Sequence[int], sizes: Sequence[int]) -> int:
        """Returns the largest gang that fits; every smaller one fits as well."""


class Consolidate:
    """As few nodes as possible, and the fullest node that has room.

    A gang no larger than a node goes to one node, fewest idle GPUs first, ties by node id. A
    larger one takes wholly idle nodes, lowest id first, and its remainder goes to one more node
    by the same rule.

    Source:
        The ``consolidate`` placer of HeliosArtifact (Hu et al., SC'21), for equal nodes.
        Deviation: nodes may differ; a node counts as whole if it has the size of the largest.
    """

    def place(
        self, gpus: int, *, idle: Sequence[int], sizes: Sequence[int]
    ) -> tuple[Take, ...] | None:
        """Returns where a gang goes, or None if it does not fit."""
        size = max(sizes)
        n_whole, rest = divmod(gpus, size) if gpus > size else (0, gpus)
        whole: list[int] = []
        if n_whole:
            whole = [node for node, n_idle in enumerate(idle) if n_idle == size][:n_whole]
            if len(whole) < n_whole:
                return None
        takes = [Take(node=node, gpus=size) for node in whole]
        if rest:
            node = _fullest_with_room(rest, idle=idle, without=whole)
            if node is None:
                return None
            takes.append(Take(node=node, gpus=rest))
        return tuple(sorted(takes, key=lambda take: take.node))

    def largest(self, *, idle: Sequence[int], sizes: Sequence[int]) -> int:
        """Returns the largest gang that fits; every smaller one fits as well."""
        size = max(sizes)
        n_whole = sum(n_idle == size for n_idle in idle)
        return n_whole * size + max((n_idle for n_idle in idle if n_idle < size), default=0)


def _fullest_with_room(gpus: int, *, idle: Sequence[int], without: Sequence[int]) -> int | None:
    best: int | None = None
    for node, n_idle in enumerate(idle):
        if n_idle >= gpus and (best is None or n_idle < idle[best]) and node not in without:
            best = node
    return best

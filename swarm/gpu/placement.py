"""Placement: which nodes a gang gets.

One file per policy lies in ``placements/``. A policy only counts idle GPUs per node. It must be
*monotone*: a gang that fits in some idle GPUs fits when more are idle; and what fits may depend on
how many GPUs are idle on how many nodes, but not on which nodes these are. Prices of the
sealed-bid mechanism are defined by that.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from typing import ClassVar, Protocol

import swarm.gpu.placements
from swarm.errors import UsageError
from swarm.gpu.leases import Take
from swarm.gpu.placements.consolidate import Consolidate
from swarm.gpu.placements.slices import NO_SLICES, Slices

__all__ = ["Consolidate", "Placement", "placement", "placements"]


class Placement(Protocol):
    """A way to choose nodes, without arguments to construct and without state."""

    is_countable: ClassVar[bool]
    """Whether a gang of whole GPUs fits exactly if that many are idle, on whatever nodes."""

    def place(
        self,
        gpus: int,
        *,
        idle: Sequence[int],
        sizes: Sequence[int],
        slices: Slices = NO_SLICES,
    ) -> tuple[Take, ...] | None:
        """Returns where a gang goes, or None if it does not fit.

        Args:
            gpus: Gang size, at least 1.
            idle: Idle GPUs of each node, in node order.
            sizes: All GPUs of each node.
            slices: What is free on GPUs that are shared.
        """

    def place_slice(self, milli: int, *, idle: Sequence[int], slices: Slices) -> Take | None:
        """Returns on which GPU a slice goes, or None if it does not fit.

        Args:
            milli: Thousandths of a GPU, 1 to 999.
            idle: Wholly idle GPUs of each node, in node order.
            slices: What is free on GPUs that others share.
        """

    def largest(self, *, idle: Sequence[int], sizes: Sequence[int]) -> int:
        """Returns the largest gang that fits; every smaller one fits as well."""


def placements() -> list[str]:
    """Returns the names that ``placement`` knows: the files of ``gpu/placements``, sorted."""
    return sorted(
        info.name
        for info in pkgutil.iter_modules(swarm.gpu.placements.__path__)
        if info.name != "slices"
    )


def placement(name: str) -> Placement:
    """Returns the policy of that name; ``count.py`` holds the class ``Count``.

    Raises:
        UsageError: If there is none of that name; the sentence lists those there are.
    """
    known = placements()
    if name not in known:
        raise UsageError(what=f"there is no placement {name!r}; choose one of {', '.join(known)}")
    module = importlib.import_module(f"{swarm.gpu.placements.__name__}.{name}")
    made: Placement = getattr(module, name.title().replace("_", ""))()
    return made

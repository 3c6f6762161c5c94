"""Mechanism: the rule by which waiting requests get the GPUs that are idle.

One file per mechanism lies in ``mechanisms/``; the conformance suite finds it there and holds it
to what ``Mechanism.allocate`` promises.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import swarm.gpu.mechanisms
from swarm.errors import UsageError
from swarm.gpu.cost import lease_price
from swarm.gpu.leases import Request, Take
from swarm.gpu.placement import Placement
from swarm.units import Credits, Ticks


@dataclass(frozen=True, kw_only=True)
class PoolView:
    """All that a mechanism may know about the pool."""

    idle: tuple[int, ...]
    """Idle GPUs of each node, in node order."""
    sizes: tuple[int, ...]
    """All GPUs of each node."""
    placement: Placement
    reserve: Credits
    """The least anybody pays, in micro-credits per GPU-tick."""

    def reserve_price(self, request: Request) -> Credits:
        """Returns the least this request may cost."""
        return lease_price(request.gpus, request.duration, per_gpu_tick=self.reserve)

    def room(self) -> "Room":
        """Returns the idle GPUs as something that can be filled."""
        return Room(self, list(self.idle))


@dataclass(frozen=True, kw_only=True)
class Award:
    """A request is to become a lease, on these nodes, at this price."""

    request: Request
    takes: tuple[Take, ...]
    payment: Credits


class Mechanism(Protocol):
    """An allocation rule: constructed without arguments, and without state."""

    def allocate(self, requests: Sequence[Request], view: PoolView, now: Ticks) -> list[Award]:
        """Returns who gets what, in the order decided.

        Pure, and independent of the order of ``requests``. No GPU is promised twice, a gang gets
        all its GPUs or none, and a payment lies between the reserve price and the bid; a
        request whose bid is under the reserve price is passed over.
        """


class Room:
    """Idle GPUs while a mechanism fills them."""

    def __init__(self, view: PoolView, idle: list[int]) -> None:
        self._view = view
        self._idle = idle

    def place(self, gpus: int) -> tuple[Take, ...] | None:
        """Returns where a gang would go, and takes nothing."""
        return self._view.placement.place(gpus, idle=self._idle, sizes=self._view.sizes)

    def take(self, takes: Sequence[Take]) -> None:
        """Fills what ``place`` returned."""
        for take in takes:
            self._idle[take.node] -= take.gpus

    def copy(self) -> "Room":
        """Returns the same room, to be filled differently."""
        return Room(self._view, self._idle.copy())


def mechanisms() -> list[str]:
    """Returns the names that ``mechanism`` knows: the files of ``gpu/mechanisms``, sorted."""
    return sorted(info.name for info in pkgutil.iter_modules(swarm.gpu.mechanisms.__path__))


def mechanism(name: str) -> Mechanism:
    """Returns the mechanism of that name; ``sealed_bid.py`` holds the class ``SealedBid``.

    Raises:
        UsageError: If there is none of that name; the sentence lists those there are.
    """
    known = mechanisms()
    if name not in known:
        raise UsageError(what=f"there is no mechanism {name!r}; choose one of {', '.join(known)}")
    module = importlib.import_module(f"{swarm.gpu.mechanisms.__name__}.{name}")
    made: Mechanism = getattr(module, name.title().replace("_", ""))()
    return made

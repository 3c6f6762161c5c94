"""Mechanism: the rule by which waiting requests get the GPUs that are idle.

One file per mechanism lies in ``mechanisms/``; the conformance suite finds it there and holds it
to what ``Mechanism.allocate`` promises.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import swarm.gpu.mechanisms
from swarm.errors import UsageError
from swarm.gpu.leases import MILLI, Lease, Request, Take
from swarm.gpu.line import Key, Line
from swarm.gpu.placement import Placement
from swarm.gpu.room import Room
from swarm.gpu.standings import Standing
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks


@dataclass(frozen=True, kw_only=True)
class PoolView:
    """All that a mechanism may know about the pool, at one instant."""

    idle: Sequence[int]
    """Wholly idle GPUs of each node, in node order."""
    sizes: Sequence[int]
    """All GPUs of each node."""
    placement: Placement
    reserve: Credits
    """The least anybody pays, in micro-credits per GPU-tick."""
    slices: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Free thousandths of the GPUs that are shared, ascending, by node."""
    leases: Sequence[Lease] = ()
    """Who holds GPUs, by the end of the lease."""
    held: Mapping[ActorId, int] = field(default_factory=dict)
    """Thousandths of a GPU in the leases of each holder that has any."""
    running: Sequence[Standing] = ()
    """Leases that may be stopped, best first, if the mechanism preempts."""
    standings_change_at: Ticks | None = None
    """When the order of ``running`` will change, unless leases come or go before."""
    may_preempt: bool = False
    """Whether leases may be stopped; if not, stops must not be asked for."""
    has_notice: bool = False
    """Whether the GPUs of who is stopped come free later: awards must do without them."""

    def reserve_price(self, request: Request) -> Credits:
        """Returns the least this request may cost."""
        return Credits(-(-request.size * request.duration * self.reserve // MILLI))

    def room(self) -> Room:
        """Returns the idle GPUs as something that can be filled."""
        return Room(self.placement, self.idle, self.sizes, self.slices)

    def award(self, request: Request, takes: tuple[Take, ...], *, is_firm: bool = False) -> "Award":
        """Returns an award at the reserve price."""
        price = self.reserve_price(request)
        return Award(request=request, takes=takes, payment=price, is_firm=is_firm)


@dataclass(frozen=True, kw_only=True)
class Award:
    """A request is to become a lease, on these nodes, at this price."""

    request: Request
    takes: tuple[Take, ...]
    payment: Credits
    is_firm: bool = False
    """Whether the lease may not be preempted."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a mechanism decides at one instant: stops first, then awards, in order."""

    awards: Sequence[Award] = ()
    stops: Sequence[ContractId] = ()
    """Leases to preempt; some awards may need their GPUs."""
    again_at: Ticks | None = None
    """When to ask again even if nothing has come or gone until then."""
    is_partial: bool = False
    """Whether to ask again at once, when this has been carried out."""


class Mechanism(Protocol):
    """An allocation rule, without state."""

    def order(self, request: Request) -> Key:
        """Returns what the line is sorted by; must not change while the request waits."""

    def group(self, request: Request) -> Hashable:
        """Returns the group of the line in which a request is kept; ``()`` for one in all."""

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:
        """Returns who gets what.

        Pure, and independent of the order in which requests came into the line. No GPU is promised
        twice, a gang gets all its GPUs or none, and a payment lies between the reserve price and
        the bid; a request whose bid is under the reserve price is passed over.
        """


def mechanisms() -> list[str]:
    """Returns the names that ``mechanism`` knows: the files of ``gpu/mechanisms``, sorted."""
    return sorted(info.name for info in pkgutil.iter_modules(swarm.gpu.mechanisms.__path__))


def mechanism(name: str, settings: Mapping[str, object] | None = None) -> Mechanism:
    """Returns the mechanism of that name; ``sealed_bid.py`` holds the class ``SealedBid``.

    Args:
        name: A file of ``gpu/mechanisms``.
        settings: What its constructor takes, if not the defaults.

    Raises:
        UsageError: If there is none of that name, or it knows no such setting; the sentence lists
            those there are.
    """
    known = mechanisms()
    if name not in known:
        raise UsageError(what=f"there is no mechanism {name!r}; choose one of {', '.join(known)}")
    module = importlib.import_module(f"{swarm.gpu.mechanisms.__name__}.{name}")
    kind = getattr(module, name.title().replace("_", ""))
    takes = [] if kind.__init__ is object.__init__ else list(inspect.signature(kind).parameters)
    for setting in settings or {}:
        if setting not in takes:
            what = f"mechanism {name!r} has no setting {setting!r}"
            raise UsageError(what=f"{what}; its settings: {', '.join(takes) or 'none'}")
    made: Mechanism = kind(**settings or {})
    return made

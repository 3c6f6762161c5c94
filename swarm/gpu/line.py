"""Line: who waits, in the order in which a mechanism looks at them.

Requests are kept sorted within groups that the mechanism chooses: gangs of one size, say, of which
no other fits when the first does not. So a round looks at a few heads instead of at everybody.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple, Protocol

from swarm.gpu.leases import Request
from swarm.kernel.message import ContractId

Key = tuple[Any, ...]
"""Sorts requests, lowest first. Any: numbers, and what ties are broken by."""


class Entry(NamedTuple):
    """A request in its group; contracts are unique, so sorting never compares requests."""

    key: Key
    contract: ContractId
    request: Request


class Order(Protocol):
    """How a mechanism sees those who wait. Both are fixed for as long as a request waits."""

    def order(self, request: Request) -> Key:
        """Returns what the line is sorted by; different requests may have equal keys."""

    def group(self, request: Request) -> Hashable:
        """Returns the group in which a request is kept."""


class Line:
    """The requests that wait, sorted within groups."""

    def __init__(self, order: Order, requests: Iterable[Request] = ()) -> None:
        self.groups: dict[Hashable, list[Entry]] = {}
        self._order = order
        self._arrivals: list[Entry] | None = None
        for request in requests:
            self.add(request)

    def __iter__(self) -> Iterator[Request]:
        """Yields everybody, in the mechanism's order."""
        walk = Walk(self.groups.values())
        while (entry := walk.pop()) is not None:
            yield entry.request
            walk.push_next()

    def __len__(self) -> int:
        """Returns how many wait."""
        return sum(map(len, self.groups.values()))

    def add(self, request: Request) -> None:
        """Puts a request into its place."""
        group = self._order.group(request)
        insort(self.groups.setdefault(group, []), self._entry(request))
        if self._arrivals is not None:
            insort(self._arrivals, _by_turn(request))

    def remove(self, request: Request) -> None:
        """Takes a request out; it must be there."""
        name = self._order.group(request)
        group = self.groups[name]
        del group[bisect_left(group, self._entry(request)[:2])]
        if not group:
            del self.groups[name]
        if self._arrivals is not None:
            del self._arrivals[bisect_left(self._arrivals, _by_turn(request)[:2])]

    def heads(self) -> list[Entry]:
        """Returns the first of each group, in no particular order."""
        return [group[0] for group in self.groups.values()]

    def by_turn(self) -> list[Entry]:
        """Returns everybody by time of submission; from the first call on it is kept up to date."""
        if self._arrivals is None:
            self._arrivals = sorted(
                _by_turn(entry.request) for group in self.groups.values() for entry in group
            )
        return self._arrivals

    def _entry(self, request: Request) -> Entry:
        return Entry(self._order.order(request), request.contract, request)


class Walk:
    """Goes through groups in common order; who pops an entry says whether the group goes on.

    Args:
        groups: Sorted entries.
        starts: Where to begin in each, if not at its first.
    """

    __slots__ = ("_at", "_group", "_heap")

    def __init__(self, groups: Iterable[list[Entry]], starts: Iterable[int] | None = None) -> None:
        found = ((group, 0) for group in groups) if starts is None else zip(groups, starts)  # noqa: B905 -- as many starts as groups
        self._heap = [(group[at], at, group) for group, at in found if at < len(group)]
        heapify(self._heap)
        self._at, self._group = 0, list[Entry]()

    def pop(self) -> Entry | None:
        """Returns the first of what is left, None at the end; its group is left out from now on."""
        if not self._heap:
            return None
        entry, self._at, self._group = heappop(self._heap)
        return entry

    def push_next(self) -> None:
        """Goes on with the group of the entry that was popped last."""
        at = self._at + 1
        if at < len(self._group):
            heappush(self._heap, (self._group[at], at, self._group))


def _by_turn(request: Request) -> Entry:
    return Entry(request.turn, request.contract, request)

"""Easy: first come, first served, with backfilling that never delays the first who waits.

Protocol  The queue is served by time of submission until somebody does not fit. For that one a
          start is reserved: when enough leases will have ended. Whoever comes later is let ahead
          if it ends before that start, or needs none of the GPUs reserved for it.
Payment   The reserve price: a bid buys no place in the queue.
Waiting   No gang starves: a reservation is never put off by those behind it, leases end when they
          say, and whoever is first is next to have one.
Source    Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995 (EASY backfilling).
          Deviations: durations are exact, because leases expire; leases that are only held, until
          their price is in, count as if they began now. Where a slice ends is not foreseen, so a
          reservation may come earlier than said, never later.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterator
from heapq import heappop, heappush, merge
from itertools import groupby

from swarm.gpu.leases import MILLI, Lease, Request, Take
from swarm.gpu.line import Entry, Key, Line, Walk
from swarm.gpu.mechanism import Award, PoolView, Round
from swarm.gpu.room import Room
from swarm.units import Ticks


class Easy:
    """First-come-first-served with one reservation."""

    def order(self, request: Request) -> Key:
        """By time of submission."""
        return request.turn

    def group(self, request: Request) -> Hashable:
        """By size and magnitude of the duration: of most groups all or none end in time."""
        return request.size, request.duration.bit_length()

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:
        """Returns the longest prefix of the queue that fits, and whom to let ahead."""
        room = view.room()
        if not room.free:
            return Round()
        awards: list[Award] = []
        walk = Walk(line.groups.values())
        while (entry := walk.pop()) is not None:
            walk.push_next()
            request = entry.request
            if request.bid < view.reserve_price(request):
                continue
            takes = room.place(request)
            if takes is None:
                plan = _Plan(view, room, awards, request, now)
                return Round(awards=[*awards, *plan.let_ahead(line, entry)])
            room.take(takes)
            awards.append(view.award(request, takes))
        return Round(awards=awards)


class _Plan:
    """A reservation for the first who waits, and what others may use meanwhile.

    Args:
        view: The pool.
        room: What is idle now, after the awards.
        awards: What was awarded before anybody was blocked.
        first: Who is to get the reservation.
        now: The virtual time.
    """

    def __init__(
        self, view: PoolView, room: Room, awards: list[Award], first: Request, now: Ticks
    ) -> None:
        self._view, self._room, self._now = view, room, now
        self._is_countable = view.placement.is_countable
        self._later = room.merged() if self._is_countable else room.copy()
        """What will be idle at the reserved start, besides the reservation."""
        self._starts_at = self._reserve(first, awards)
        self._crowded: set[int] = set()
        """Sizes for which there is no room beside the reservation."""

    def let_ahead(self, line: Line, first: Entry) -> Iterator[Award]:
        """Yields awards for those who do not delay the reservation, in the order of the queue."""
        heads: list[tuple[Entry, int, list[Entry]]] = []
        for group in line.groups.values():
            if group[0].request.size <= self._room.free:
                self._push(heads, group, bisect_right(group, first))
        while heads and self._room.free:
            entry, at, group = heappop(heads)
            request = entry.request
            if request.bid >= self._view.reserve_price(request):
                if self._room.place(request) is None:
                    continue
                takes = self._place(request)
                if takes is not None:
                    self._room.take(takes)
                    yield self._view.award(request, takes)
            self._push(heads, group, at + 1)

    def _reserve(self, first: Request, awards: list[Award]) -> Ticks:
        """Returns the first end of leases at which there is room, and takes it from ``later``."""
        # Lazily: leases come by their ends, and a few of hundreds make room as a rule.
        leases = ((lease.ends_at, _places(lease)) for lease in self._view.leases)
        begun = [(Ticks(self._now + award.request.duration), _taken(award)) for award in awards]
        ends = merge(leases, sorted(begun))
        for end, together in groupby(ends, key=lambda end: int(end[0])):
            for _, places in together:
                for node, n_gpus in places:
                    self._later.give(0 if self._is_countable else node, n_gpus)
            takes = self._later.place(first)
            if takes is not None:
                self._later.take(takes)
                return Ticks(end)
        self._later = Room(self._view.placement, [0] * len(self._room.idle), self._room.sizes, {})
        return self._now

    def _place(self, request: Request) -> tuple[Take, ...] | None:
        """Returns where a request may go without delaying the reservation."""
        if self._ends_in_time(request):
            return self._room.place(request)
        room = self._later if self._is_countable else self._room.within(self._later)
        takes = room.place(request)
        if takes is None or not self._later.fits(takes):
            self._crowded.add(request.size)
            return None
        self._later.take(takes)
        return self._room.place(request) if self._is_countable else takes

    def _push(
        self, heads: list[tuple[Entry, int, list[Entry]]], group: list[Entry], at: int
    ) -> None:
        """Pushes the next of a group that has a chance."""
        size, duration = group[0].request.size, group[0].request.duration
        if size > self._later.free or size in self._crowded:
            shortest = 1 << (duration.bit_length() - 1)  # that a request of this group can be
            if self._now + shortest > self._starts_at:
                return
            while at < len(group) and not self._ends_in_time(group[at].request):
                at += 1
        if at < len(group):
            heappush(heads, (group[at], at, group))

    def _ends_in_time(self, request: Request) -> bool:
        return self._now + request.duration <= self._starts_at


def _places(lease: Lease) -> list[tuple[int, int]]:
    """Returns (node, GPUs) of a gang; nothing for a slice: others may keep the rest of its GPU."""
    return [(share.node, len(share.gpus)) for share in lease.shares if share.milli == MILLI]


def _taken(award: Award) -> list[tuple[int, int]]:
    """Returns (node, GPUs) of what was awarded."""
    return [(take.node, take.gpus) for take in award.takes]

"""Standings: who runs, in the order in which a mechanism would rather stop the last.

Kept sorted while leases come and go, because a round must not look at every lease. A standing is
computed anew when the mechanism says that it changes, and not before somebody asks.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import NamedTuple, Protocol, runtime_checkable

from swarm.gpu.leases import Lease
from swarm.gpu.line import Entry, Key
from swarm.kernel.message import ContractId
from swarm.units import Ticks


@runtime_checkable
class Preemptive(Protocol):
    """What a mechanism has that stops leases."""

    def standing(self, lease: Lease, now: Ticks) -> tuple[Key, Ticks | None]:
        """Returns what running leases are sorted by, and when that changes; None for never.

        The best comes first. It may depend on nothing but the lease and the time.
        """

    def place(self, entry: Entry, now: Ticks) -> Key:
        """Returns where a waiting request stands among the running leases, with no equal."""


class Standing(NamedTuple):
    """A lease that may be stopped; contracts are unique, so sorting never compares leases."""

    key: Key
    contract: ContractId
    lease: Lease


class Standings:
    """The leases that may be stopped, best first.

    Args:
        rule: Says how they stand.
        leases: Who holds GPUs.
    """

    def __init__(self, rule: Preemptive, leases: Iterable[Lease]) -> None:
        self.rule = rule
        self._sorted: list[Standing] = []
        self._current: dict[ContractId, tuple[Standing, Ticks | None]] = {}
        self._changes: list[tuple[Ticks, ContractId]] = []
        for lease in leases:
            self.add(lease)

    def add(self, lease: Lease) -> None:
        """A lease may be stopped."""
        if lease.may_stop:
            self._put(lease, lease.starts_at)

    def remove(self, lease: Lease) -> None:
        """A lease is over, or may no longer be stopped."""
        found = self._current.pop(lease.contract, None)
        if found is not None:
            del self._sorted[bisect_left(self._sorted, found[0][:2])]

    def at(self, now: Ticks) -> list[Standing]:
        """Returns how they stand now. The list is the caller's to read until something changes."""
        due: list[Lease] = []
        while self._changes and self._changes[0][0] <= now:
            at, contract = heappop(self._changes)
            standing, until = self._current.get(contract, (None, None))
            if standing is not None and until == at:
                due.append(standing.lease)
        if 4 * len(due) > len(self._sorted):
            self._sort_all(now)
        else:
            for lease in due:
                self.remove(lease)
                self._put(lease, now)
        return self._sorted

    def next_change(self) -> Ticks | None:
        """Returns when a standing changes next, as of the last time that somebody asked."""
        changes = self._changes
        while changes:
            at, contract = changes[0]
            if contract in self._current and self._current[contract][1] == at:
                return at
            heappop(changes)
        return None

    def _put(self, lease: Lease, now: Ticks) -> None:
        key, until = self.rule.standing(lease, now)
        standing = Standing(key, lease.contract, lease)
        insort(self._sorted, standing)
        self._current[lease.contract] = standing, until
        if until is not None:
            heappush(self._changes, (until, lease.contract))

    def _sort_all(self, now: Ticks) -> None:
        leases = [standing.lease for standing in self._sorted]
        self._sorted, self._changes = [], []
        for lease in leases:
            key, until = self.rule.standing(lease, now)
            standing = Standing(key, lease.contract, lease)
            self._sorted.append(standing)
            self._current[lease.contract] = standing, until
            if until is not None:
                self._changes.append((until, lease.contract))
        self._sorted.sort()
        heapify(self._changes)

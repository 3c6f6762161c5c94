"""Preemption: keep or start in order of priority whatever fits, stop what no longer does.

One list holds who runs and who waits, by priority. Going down the list, everybody who still fits
keeps or gets GPUs; a running gang that does not fit is stopped, a waiting one skipped. A waiting
gang is put where nobody is disturbed if it fits there, otherwise at the expense of those behind it.

Source: ``shortest_first_sim_jobs`` and ``dlas_sim_jobs`` of Tiresias' simulator (Gu et al.,
NSDI'19), for placement by count. Deviation: where nodes matter, running gangs are not moved.
"""

from bisect import bisect_left
from collections.abc import Sequence

from swarm.gpu.leases import MILLI, Lease, Request, Share, Take
from swarm.gpu.line import Key, Line, Walk
from swarm.gpu.mechanism import Award, PoolView, Round
from swarm.gpu.standings import Preemptive, Standing
from swarm.units import Ticks


def keep_or_start(rule: Preemptive, line: Line, view: PoolView, now: Ticks) -> Round:
    """Returns whom to stop and whom to start.

    As long as nobody is disturbed only those who wait are looked at, and everybody who runs keeps
    their GPUs. With the first who pushes in, those behind it are decided one by one.

    Args:
        rule: Says who stands where.
        line: Who waits, grouped by size.
        view: The pool; leases that have been given notice count as gone, and their GPUs as spoken
            for by whoever made room for itself.
        now: The virtual time.
    """
    if not line.groups:
        return Round()
    ledger = _Counts(view) if view.placement.is_countable else _Nodes(view)
    walk = Walk(line.groups.values())
    starts: list[tuple[Request, tuple[Take, ...]]] = []
    stops: list[Lease] = []
    behind: Sequence[Standing] | None = None
    at = 0
    while (entry := walk.pop()) is not None:
        request = entry.request
        if request.bid < view.reserve_price(request):
            walk.push_next()
            continue
        takes = ledger.start(request) if behind is None else None
        if takes is None:
            place = rule.place(entry, now)
            if behind is None:
                if not _could_push_in(request, place, view):
                    continue
                behind = view.running[bisect_left(view.running, place, key=_key) :]
                ledger.press(behind)
            while at < len(behind) and behind[at].key < place:
                if not ledger.keep(behind[at].lease):
                    stops.append(behind[at].lease)
                at += 1
            takes = ledger.push_in(request)
        if takes is not None:
            starts.append((request, takes))
            walk.push_next()
    rest = (standing.lease for standing in (behind or ())[at:])
    stops += [lease for lease in rest if not ledger.keep(lease)]
    return Round(awards=_carry_out(starts, stops, view), stops=[lease.contract for lease in stops])


def _could_push_in(request: Request, place: Key, view: PoolView) -> bool:
    """Says whether enough GPUs are idle or held by those behind, wherever they are."""
    room = MILLI * sum(view.idle) + sum(lease.size for lease in _leaving(view))
    for standing in reversed(view.running):
        if room >= request.size or standing.key < place:
            break
        room += standing.lease.size
    return room >= request.size


def _leaving(view: PoolView) -> list[Lease]:
    """Returns the leases that have been given notice."""
    if not view.has_notice:
        return []
    return [lease for lease in view.leases if lease.stops_at is not None]


def _key(standing: Standing) -> Key:
    return standing.key


def _carry_out(
    starts: Sequence[tuple[Request, tuple[Take, ...]]], stops: Sequence[Lease], view: PoolView
) -> list[Award]:
    """Returns the awards that can be made now; the rest wait for GPUs on notice, in order."""
    room = view.room()
    if not view.has_notice:
        for lease in stops:
            for share in lease.shares:
                room.give(share.node, len(share.gpus))
    awards: list[Award] = []
    for request, planned in starts:
        takes = room.place(request) if view.placement.is_countable else planned
        if takes is None or not room.fits(takes):
            break
        room.take(takes)
        awards.append(view.award(request, takes))
    return awards


def came_first(request: Request) -> Key:
    """Breaks ties between who waits with as much left, as a stable sort would.

    Who has had that much for longer comes first. Of those stopped at one instant, who was stopped
    first: they are stopped in order. Who came at that instant was put at the end.
    """
    is_new = request.stopped_at is None
    return (request.waits_since, is_new, request.stop_number, *request.turn)


def started_first(lease: Lease) -> Key:
    """Breaks ties between who runs with as much left, as a stable sort would.

    Who started later had had that much for longer if it had waited before; otherwise it was put at
    the end. Those who start at one instant start in order.
    """
    had_waited = lease.request.waits_since < lease.starts_at
    return (-lease.starts_at if had_waited else lease.starts_at, lease.number)


class _Counts:
    """Who gets GPUs, where any idle GPU will do."""

    def __init__(self, view: PoolView) -> None:
        self._spare = MILLI * sum(view.idle) + sum(lease.size for lease in _leaving(view))
        """Idle once all who are yet undecided keep theirs; below 0 where not all can."""
        self._undecided = 0

    def start(self, request: Request) -> tuple[Take, ...] | None:
        """Counts a waiting gang's GPUs if nobody is disturbed; no takes, because any will do."""
        if request.size > self._spare:
            return None
        self._spare -= request.size
        return ()

    def press(self, running: Sequence[Standing]) -> None:
        """From now on, waiting gangs go before these."""
        self._undecided = sum(standing.lease.size for standing in running)

    def push_in(self, request: Request) -> tuple[Take, ...] | None:
        """Counts a waiting gang's GPUs, at the expense of those who are undecided if need be."""
        if request.size > self._spare + self._undecided:
            return None
        self._spare -= request.size
        return ()

    def keep(self, lease: Lease) -> bool:
        """Decides whether a running gang keeps its GPUs."""
        self._undecided -= lease.size
        is_kept = self._spare + self._undecided >= 0
        if not is_kept:
            self._spare += lease.size
        return is_kept


class _Nodes:
    """Who gets GPUs, where it matters on which nodes they are."""

    def __init__(self, view: PoolView) -> None:
        self._view = view
        self._spare = list(view.idle)
        """Per node, as in ``_Counts``."""
        for lease in _leaving(view):
            _add(lease.shares, self._spare)
        self._left = self._spare
        """Per node: idle if nobody who is yet undecided keeps theirs."""

    def start(self, request: Request) -> tuple[Take, ...] | None:
        """Returns where a waiting gang goes if nobody is disturbed."""
        takes = self._place(request, self._spare)
        for take in takes or ():
            self._spare[take.node] -= take.gpus
        return takes

    def press(self, running: Sequence[Standing]) -> None:
        """From now on, waiting gangs go before these."""
        self._left = self._spare.copy()
        for standing in running:
            _add(standing.lease.shares, self._left)

    def push_in(self, request: Request) -> tuple[Take, ...] | None:
        """Returns where a waiting gang goes, at the expense of the undecided if need be."""
        takes = self._place(request, list(map(min, self._spare, self._left)))
        if takes is None:
            takes = self._place(request, self._left)
        for take in takes or ():
            self._spare[take.node] -= take.gpus
            self._left[take.node] -= take.gpus
        return takes

    def keep(self, lease: Lease) -> bool:
        """Decides whether a running gang keeps its GPUs."""
        if any(self._left[share.node] < len(share.gpus) for share in lease.shares):
            _add(lease.shares, self._spare)
            return False
        for share in lease.shares:
            self._left[share.node] -= len(share.gpus)
        return True

    def _place(self, request: Request, idle: Sequence[int]) -> tuple[Take, ...] | None:
        view = self._view
        return view.placement.place(request.gpus, idle=idle, sizes=view.sizes)


def _add(shares: Sequence[Share], idle: list[int]) -> None:
    for share in shares:
        idle[share.node] += len(share.gpus)

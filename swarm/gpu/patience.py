"""Patience: who has waited too long goes first, whatever the mechanism; so no gang starves.

A request that has waited for longer than the patience of the pool is *overdue*. Overdue requests
are served by time of submission, ties by contract, before anybody else, at the reserve price. The
first that does not fit is a reservation: nobody starts until enough leases have ended. Its lease is
firm: it is not preempted, or it would have waited for nothing. Leases end, and who is overdue is
overtaken by nobody, so every request starts at last.

Source: ageing as in operating systems (Silberschatz et al., "Operating System Concepts",
section 5.3.4), with the reservation of backfilling schedulers.
"""

from collections.abc import Hashable
from dataclasses import replace

from swarm.errors import UsageError
from swarm.gpu.leases import Request
from swarm.gpu.line import Key, Line
from swarm.gpu.mechanism import Award, Mechanism, PoolView, Round
from swarm.units import Ticks


class Patient:
    """A mechanism that loses its patience.

    Args:
        mechanism: Decides while nobody is overdue.
        patience: How long a request may wait, at least 1.

    Raises:
        UsageError: If the patience is below 1.
    """

    def __init__(self, mechanism: Mechanism, *, patience: Ticks) -> None:
        if patience < 1:
            raise UsageError(what=f"patience must be at least 1 second, came {patience}")
        self.mechanism = mechanism
        self._patience = patience

    def order(self, request: Request) -> Key:
        """As the mechanism has it."""
        return self.mechanism.order(request)

    def group(self, request: Request) -> Hashable:
        """As the mechanism has it."""
        return self.mechanism.group(request)

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:
        """Returns awards for who is overdue, or else what the mechanism decides."""
        awards: list[Award] = []
        room = view.room()
        again_at: Ticks | None = None
        for entry in line.by_turn():
            request = entry.request
            overdue_at = Ticks(request.waits_since + self._patience)
            if request.bid < view.reserve_price(request):
                continue
            if overdue_at > now:
                again_at = overdue_at if again_at is None else min(again_at, overdue_at)
                if request.stopped_at is None:
                    break  # nobody who came later is overdue before that
                continue
            takes = room.place(request)
            if takes is None:
                return Round(awards=awards)
            room.take(takes)
            awards.append(view.award(request, takes, is_firm=True))
        if awards:
            return Round(awards=awards, is_partial=True)
        decided = self.mechanism.allocate(line, view, now)
        if again_at is None or (decided.again_at is not None and decided.again_at < again_at):
            return decided
        return replace(decided, again_at=again_at)

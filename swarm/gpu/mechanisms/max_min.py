"""MaxMin: whoever holds least is served first, as when water rises in vessels.

Protocol  Every holder stands at a level: the GPUs it holds. The next award goes to the holder whose
          level would be lowest with its smallest gang added, ties by time of submission, then
          contract. A holder whose smallest gang does not fit is out of the round.
Payment   The reserve price: a bid buys no place.
Envy      Between holders whose gangs are of one size, nobody who still waits holds a gang less than
          another got in the round. In general, who still waits at a level cannot be helped by what
          others hold above that level and what is idle: together it is less than its gang.
Waiting   A large gang starves while its holder or others keep asking for less, unless patience is
          set.
Source    Progressive filling: Bertsekas, Gallager, "Data Networks" (1992), section 6.5.2.
          Deviations: demands are gangs, whole or not at all; what runs counts as held, and nobody
          is stopped.
"""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush

from swarm.gpu.leases import Request
from swarm.gpu.line import Entry, Key, Line
from swarm.gpu.mechanism import Award, PoolView, Round
from swarm.units import Ticks


class MaxMin:
    """Max-min fair shares between holders, in whole gangs. With one holder: smallest gang first."""

    def order(self, request: Request) -> Key:
        """By size."""
        return (request.size, *request.turn)

    def group(self, request: Request) -> Hashable:
        """By holder."""
        return request.holder

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:  # noqa: ARG002 -- levels need no clock
        """Returns the awards in the order in which levels rise."""
        awards: list[Award] = []
        room = view.room()
        if not room.free:
            return Round()
        rising = [_rise(view.held.get(g[0].request.holder, 0), g, 0) for g in line.groups.values()]
        heapify(rising)
        while rising and room.free:
            level, _, _, at, group = heappop(rising)
            request = group[at].request
            held = level - request.size
            if request.bid >= view.reserve_price(request):
                takes = room.place(request)
                if takes is None:
                    continue
                room.take(takes)
                awards.append(view.award(request, takes))
                held = level
            if at + 1 < len(group):
                heappush(rising, _rise(held, group, at + 1))
        return Round(awards=awards)


def _rise(held: int, group: list[Entry], at: int) -> tuple[int, Ticks, str, int, list[Entry]]:
    """Sorts a holder's next request by the level that it would lead to, then by turn."""
    request = group[at].request
    return held + request.size, *request.turn, at, group

"""SealedBid: rounds of sealed bids; the greedy winner pays what it took to win.

Protocol  Requests are ranked by bid / sqrt(gpus), highest first, ties by time of submission, then
          contract. Each in turn is placed if it fits in what is left, and skipped if not.
Payment   The critical value: the smallest whole micro-credit bid with which the winner would
          still have won, everybody else's bid and the placement policy being as they are; at
          least the reserve price.
Truth     A request that fits at its rank also fits at every better rank: fewer others come
          before it, and placement is monotone. So it wins exactly when it bids at least its
          critical value, which its own bid does not move, and no other bid does better than the
          true value, in one round, for a holder who wants this gang or nothing.
Source    Lehmann, O'Callaghan, Shoham, "Truth revelation in approximately efficient
          combinatorial auctions", JACM 49(5), 2002.
          Deviations: goods are interchangeable GPUs under a placement policy instead of named
          items, which the argument above covers; a reserve price. Duration does not enter the
          rank: a round sells the GPUs that are idle now.
"""

from collections.abc import Sequence
from math import isqrt

from swarm.gpu.leases import Request
from swarm.gpu.mechanism import Award, PoolView, Room
from swarm.units import Credits, Ticks


class SealedBid:
    """Greedy by bid / sqrt(gpus) with critical-value payment; exact, on integers only."""

    def allocate(self, requests: Sequence[Request], view: PoolView, now: Ticks) -> list[Award]:  # noqa: ARG002 -- a round needs no clock
        """Returns the winners of one round, best rank first."""
        ranked = sorted((r for r in requests if r.bid >= view.reserve_price(r)), key=_Rank)
        awards: list[Award] = []
        room = view.room()
        for place, request in enumerate(ranked):
            takes = room.place(request.gpus)
            if takes is None:
                continue
            critical = _critical_value(request, ranked[place + 1 :], room.copy())
            payment = max(critical, view.reserve_price(request))
            awards.append(Award(request=request, takes=takes, payment=payment))
            room.take(takes)
        return awards


class _Rank:
    """Sorts requests by bid / sqrt(gpus), descending, without ever taking a root."""

    __slots__ = ("request",)

    def __init__(self, request: Request) -> None:
        self.request = request

    def __lt__(self, other: "_Rank") -> bool:
        mine = self.request.bid**2 * other.request.gpus
        theirs = other.request.bid**2 * self.request.gpus
        return mine > theirs or (mine == theirs and self.request.turn < other.request.turn)


def _critical_value(winner: Request, behind: Sequence[Request], room: Room) -> Credits:
    """Returns the least bid that wins, when ``room`` is what those ranked before it left.

    The round is played on without the winner. It may fall behind everybody after whom it still
    fits, so the bid to beat is the first that takes the last place it could have had.
    """
    for rival in behind:
        takes = room.place(rival.gpus)
        if takes is None:
            continue
        room.take(takes)
        if room.place(winner.gpus) is None:
            return _bid_to_beat(rival, winner)
    return Credits(0)


def _bid_to_beat(rival: Request, winner: Request) -> Credits:
    """Returns the least whole bid that ranks the winner before the rival."""
    # bid^2 >= squared / rival.gpus, or strictly more where the rival has the better of a tie.
    squared = rival.bid**2 * winner.gpus
    if winner.turn < rival.turn:
        return Credits(_root_up(-(-squared // rival.gpus)))
    return Credits(_root_up(squared // rival.gpus + 1))


def _root_up(number: int) -> int:
    root = isqrt(number)
    return root if root * root == number else root + 1

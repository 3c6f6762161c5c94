"""SealedBid: rounds of sealed bids; the greedy winner pays what it took to win.

Protocol  Requests are ranked by bid per tick / sqrt(gpus), highest first, ties by time of
          submission, then contract. Each in turn is placed if it fits in what is left, and skipped
          if not.
Payment   The critical value: the smallest whole micro-credit bid with which the winner would
          still have won, everybody else's bid and the placement policy being as they are; at
          least the reserve price.
Truth     A request that fits at its rank also fits at every better rank: fewer others come
          before it, and placement is monotone. So it wins exactly when it bids at least its
          critical value, which its own bid does not move, and no other bid does better than the
          true value, in one round, for a holder who wants this gang for this time or nothing.
Waiting   A gang whose holder bids little starves while others bid more, unless patience is set;
          who is served for its patience pays the reserve price.
Source    Lehmann, O'Callaghan, Shoham, "Truth revelation in approximately efficient
          combinatorial auctions", JACM 49(5), 2002.
          Deviations: goods are interchangeable GPUs under a placement policy instead of named
          items, which the argument above covers; a reserve price; bids for leases of different
          lengths are compared per tick, because a round sells GPUs that are idle now, and a short
          lease gives them back sooner.
"""

from bisect import bisect_left
from collections.abc import Hashable
from dataclasses import replace
from math import isqrt

from swarm.gpu.leases import Request
from swarm.gpu.line import Entry, Key, Line, Walk
from swarm.gpu.mechanism import Award, PoolView, Round
from swarm.gpu.room import Room
from swarm.gpu.serving import serve_what_fits
from swarm.kernel.message import ContractId
from swarm.units import Credits, Ticks

_PRECISION_BITS = 320
"""Ranks that differ do so by over 2^-320 while ticks times root of size stay below 2^80."""


class SealedBid:
    """Greedy by bid per tick / sqrt(gpus) with critical-value payment; exact, on integers only."""

    def order(self, request: Request) -> Key:
        """By rank: the square of bid per tick / sqrt(size), so that no root is ever taken."""
        square = (request.bid**2 << _PRECISION_BITS) // (request.duration**2 * request.size)
        return (-square, *request.turn)

    def group(self, request: Request) -> Hashable:
        """By size."""
        return request.size

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:  # noqa: ARG002 -- a round needs no clock
        """Returns the winners of one round, best rank first."""
        awards = serve_what_fits(line, view)
        prices = _Prices(line, view, {award.request.contract for award in awards})
        return Round(awards=[prices.settle(award, self.order(award.request)) for award in awards])


class _Prices:
    """Finds for each winner the rival that it had to beat.

    The round is played on without the winner, from its rank. It may fall behind everybody after
    whom it still fits, so the bid to beat is the first that takes the last place it could have had.

    Two such games for winners of one size often come to rooms that are alike; from there on they
    are the same game, so the later one is looked up.
    """

    def __init__(self, line: Line, view: PoolView, winners: set[ContractId]) -> None:
        self._groups = line.groups
        self._view = view
        self._winners = winners
        self._left = view.room()
        self._known: dict[tuple[object, ...], Request | None] = {}

    def settle(self, award: Award, key: Key) -> Award:
        """Returns the award at its critical value; winners must come best rank first."""
        winner = award.request
        room = self._left.copy()
        rival = self._rival(Entry(key, winner.contract, winner), room)
        self._left.take(award.takes)
        if rival is None:
            return award
        payment = max(_bid_to_beat(rival, winner), award.payment)
        return replace(award, payment=payment)

    def _rival(self, winner: Entry, room: Room) -> Request | None:
        gang = winner.request
        starts = [bisect_left(group, winner) for group in self._groups.values()]
        starts = [
            at + (at < len(group) and group[at].contract == winner.contract)
            for at, group in zip(starts, self._groups.values(), strict=True)
        ]
        walk = Walk(self._groups.values(), starts)
        passed: list[tuple[object, ...]] = []
        found: Request | None = None
        while (entry := walk.pop()) is not None:
            rival = entry.request
            if rival.bid >= self._view.reserve_price(rival):
                takes = room.place(rival)
                if takes is None:
                    continue
                room.take(takes)
                if room.place(gang) is None:
                    found = rival
                    break
                if rival.size == gang.size and rival.contract in self._winners:
                    state = (entry.contract, *room.likeness())
                    if state in self._known:
                        found = self._known[state]
                        break
                    passed.append(state)
            walk.push_next()
        self._known.update(dict.fromkeys(passed, found))
        return found


def _bid_to_beat(rival: Request, winner: Request) -> Credits:
    """Returns the least whole bid that ranks the winner before the rival."""
    # bid^2 >= square / (rival's ticks^2 * size), or strictly more if the rival wins a tie.
    square = rival.bid**2 * winner.duration**2 * winner.size
    by = rival.duration**2 * rival.size
    if winner.turn < rival.turn:
        return Credits(_root_up(-(-square // by)))
    return Credits(_root_up(square // by + 1))


def _root_up(number: int) -> int:
    root = isqrt(number)
    return root if root * root == number else root + 1

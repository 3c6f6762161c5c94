"""Serving: the two ways through a line that most mechanisms share, and the room a plan needs."""

from swarm.gpu.line import Line, Walk
from swarm.gpu.mechanism import Award, PoolView


def serve_until_blocked(line: Line, view: PoolView) -> list[Award]:
    """Awards at the reserve price in the line's order; the first who does not fit ends the round.

    A request whose bid is under the reserve price blocks nobody.
    """
    awards: list[Award] = []
    room = view.room()
    for request in line:
        if request.bid < view.reserve_price(request):
            continue
        takes = room.place(request)
        if takes is None:
            break
        room.take(takes)
        awards.append(view.award(request, takes))
    return awards


def serve_what_fits(line: Line, view: PoolView) -> list[Award]:
    """Awards at the reserve price in the line's order, skipping who does not fit.

    The line must be grouped by size: placement is monotone and the room only shrinks, so of a
    size that did not fit no other is looked at.
    """
    awards: list[Award] = []
    room = view.room()
    walk = Walk(group for group in line.groups.values() if group[0].request.size <= room.free)
    while room.free and (entry := walk.pop()) is not None:
        request = entry.request
        if request.bid >= view.reserve_price(request):
            takes = room.place(request)
            if takes is None:
                continue
            room.take(takes)
            awards.append(view.award(request, takes))
        walk.push_next()
    return awards

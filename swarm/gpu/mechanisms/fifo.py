"""Fifo: first come, first served, and the first who does not fit holds up everybody behind.

Protocol  One look at the queue, by time of submission, ties by contract.
Payment   The reserve price: a bid buys no place in the queue, so it needs no shading.
Source    The FIFO policy of HeliosArtifact (Hu et al., SC'21), which blocks in the same way.
"""

from collections.abc import Sequence

from swarm.gpu.leases import Request
from swarm.gpu.mechanism import Award, PoolView
from swarm.units import Ticks


class Fifo:
    """Blocking first-come-first-served. No gang starves; small ones wait behind large ones."""

    def allocate(self, requests: Sequence[Request], view: PoolView, now: Ticks) -> list[Award]:  # noqa: ARG002 -- a queue needs no clock
        """Returns the longest prefix of the queue that fits."""
        awards: list[Award] = []
        room = view.room()
        for request in sorted(requests, key=lambda one: one.turn):
            if request.bid < view.reserve_price(request):
                continue
            takes = room.place(request.gpus)
            if takes is None:
                break
            room.take(takes)
            payment = view.reserve_price(request)
            awards.append(Award(request=request, takes=takes, payment=payment))
        return awards

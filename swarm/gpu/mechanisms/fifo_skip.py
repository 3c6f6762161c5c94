"""FifoSkip: first come, first served, and who does not fit is skipped.

Protocol  One look at the queue, by time of submission, ties by contract.
Payment   The reserve price: a bid buys no place in the queue.
Waiting   A large gang starves while smaller ones keep coming, unless patience is set.
Source    ``fjf`` of Tiresias' simulator (Gu et al., NSDI'19): fit job first, in FIFO order.
"""

from collections.abc import Hashable

from swarm.gpu.leases import Request
from swarm.gpu.line import Key, Line
from swarm.gpu.mechanism import PoolView, Round
from swarm.gpu.serving import serve_what_fits
from swarm.units import Ticks


class FifoSkip:
    """First-come-first-served that skips who does not fit."""

    def order(self, request: Request) -> Key:
        """By time of submission."""
        return request.turn

    def group(self, request: Request) -> Hashable:
        """By size."""
        return request.size

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:  # noqa: ARG002 -- a queue needs no clock
        """Returns everybody who fits when their turn comes."""
        return Round(awards=serve_what_fits(line, view))

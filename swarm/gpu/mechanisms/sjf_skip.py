"""SjfSkip: shortest job first, and who does not fit is skipped.

Protocol  One look at the queue, by duration, ties by time of submission, then contract.
Payment   The reserve price: a bid buys no place in the queue.
Waiting   Long jobs and large gangs starve while others keep coming, unless patience is set.
Source    Textbook; the order of ``sjf``, the way of ``fifo_skip``.
"""

from collections.abc import Hashable

from swarm.gpu.leases import Request
from swarm.gpu.line import Key, Line
from swarm.gpu.mechanism import PoolView, Round
from swarm.gpu.serving import serve_what_fits
from swarm.units import Ticks


class SjfSkip:
    """Shortest job first that skips who does not fit."""

    def order(self, request: Request) -> Key:
        """By duration."""
        return (request.duration, *request.turn)

    def group(self, request: Request) -> Hashable:
        """By size."""
        return request.size

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:  # noqa: ARG002 -- a queue needs no clock
        """Returns everybody who fits when their turn comes."""
        return Round(awards=serve_what_fits(line, view))

"""Sjf: shortest job first, and the first who does not fit holds up everybody behind.

Protocol  One look at the queue, by duration, ties by time of submission, then contract.
Payment   The reserve price: a bid buys no place in the queue.
Waiting   A long job starves while shorter ones keep coming, unless patience is set.
Source    The SJF policy of HeliosArtifact (Hu et al., SC'21), which blocks in the same way.
"""

from collections.abc import Hashable

from swarm.gpu.leases import Request
from swarm.gpu.line import Key, Line
from swarm.gpu.mechanism import PoolView, Round
from swarm.gpu.serving import serve_until_blocked
from swarm.units import Ticks


class Sjf:
    """Blocking shortest job first."""

    def order(self, request: Request) -> Key:
        """By duration."""
        return (request.duration, *request.turn)

    def group(self, request: Request) -> Hashable:  # noqa: ARG002 -- one queue for all
        """One queue for all."""
        return ()

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:  # noqa: ARG002 -- a queue needs no clock
        """Returns the shortest jobs, up to the first that does not fit."""
        return Round(awards=serve_until_blocked(line, view))

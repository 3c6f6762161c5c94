"""Fifo: first come, first served, and the first who does not fit holds up everybody behind.

Protocol  One look at the queue, by time of submission, ties by contract.
Payment   The reserve price: a bid buys no place in the queue, so it needs no shading.
Waiting   No gang starves: nobody who came later starts before it, and leases end.
Source    The FIFO policy of HeliosArtifact (Hu et al., SC'21), which blocks in the same way.
"""

from collections.abc import Hashable

from swarm.gpu.leases import Request
from swarm.gpu.line import Key, Line
from swarm.gpu.mechanism import PoolView, Round
from swarm.gpu.serving import serve_until_blocked
from swarm.units import Ticks


class Fifo:
    """Blocking first-come-first-served. No gang starves; small ones wait behind large ones."""

    def order(self, request: Request) -> Key:
        """By time of submission."""
        return request.turn

    def group(self, request: Request) -> Hashable:  # noqa: ARG002 -- one queue for all
        """One queue for all."""
        return ()

    def allocate(self, line: Line, view: PoolView, now: Ticks) -> Round:  # noqa: ARG002 -- a queue needs no clock
        """Returns the longest prefix of the queue that fits."""
        return Round(awards=serve_until_blocked(line, view))

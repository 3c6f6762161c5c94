"""What the engine needs from the floors above it, as protocols."""

from collections.abc import Sequence
from typing import Protocol

from swarm.kernel.envelope import Envelope


class Network(Protocol):
    """Who may tell whom, and how long it takes."""

    def peers(self, rank: int) -> Sequence[int]:
        """Ranks one edge away on the coordination graph, ascending, service edges apart."""

    def latency(self, sender: int, recipient: int) -> int:
        """Ticks a message takes between two ranks; 0 where there is no edge of either sort."""


class Sink(Protocol):
    """Where delivered envelopes go: the message log and its digests."""

    def write(self, due: int, phase: int, rows: Sequence[Envelope]) -> None:
        """Takes one bucket, in canonical order."""

"""Needs: what the director would pay for, by the deficits that benchmarks show."""

from swarm.kernel.message import Message
from swarm.units import Credits


class Announced(Message, frozen=True, kw_only=True, tag="need.announced"):
    """The weight of each part in this epoch's income, and what a swap of it earns."""

    epoch: int
    weights: tuple[tuple[str, int], ...]
    """(part, weight in thousandths) pairs, ascending by part; they sum to 1,000."""
    reward: Credits


class EpochDue(Message, frozen=True, kw_only=True, tag="need.epoch_due"):
    """The director's own timer: grant the next income."""

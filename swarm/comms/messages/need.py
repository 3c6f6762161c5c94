"""Needs: what the director would pay for, by the deficits that benchmarks show."""

from swarm.comms.messages.ship import PartValue
from swarm.kernel.message import Message
from swarm.units import Credits


class Announced(Message, frozen=True, kw_only=True, tag="need.announced"):
    """The weight of each part in this epoch's income, and what a swap of it earns."""

    epoch: int
    weights: tuple[tuple[str, int], ...]
    """(part, weight in thousandths) pairs, ascending by part; they sum to 1,000."""
    reward: Credits


class ReviewSought(Message, frozen=True, kw_only=True, tag="need.review_sought"):
    """A researcher to the director: a trial gained enough for a review that I cannot pay for."""

    part: str
    gain_bpb: float
    """Of a single trial, so no more than a hint."""
    amount: Credits
    """Its price."""
    replaces: PartValue
    """What the part is on the ship that was gained on: of no use once that has been swapped."""


class FundingDue(Message, frozen=True, kw_only=True, tag="need.funding_due"):
    """The director's own timer: choose which reviews to pay for."""


class EpochDue(Message, frozen=True, kw_only=True, tag="need.epoch_due"):
    """The director's own timer: grant the next income."""

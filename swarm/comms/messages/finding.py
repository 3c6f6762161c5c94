"""Findings: what researchers tell each other about what they tried.

Dead ends are told like successes, so that nobody pays for them twice.
"""

from swarm.comms.messages.ship import PartValue
from swarm.kernel.message import ActorId, Message


class Trial(Message, frozen=True, kw_only=True, tag="finding.trial"):
    """One value of one part was tried on one ship, once."""

    author: ActorId
    part: str
    value: PartValue
    base: str
    """Manifest hash of the ship it was tried on."""
    gain_bpb: float
    """Mean of the ship's base arm minus the score; 0 where the job failed."""
    failed: str = ""
    """Why the job failed; empty if it did not."""


class Reviewed(Message, frozen=True, kw_only=True, tag="finding.reviewed"):
    """A reviewer's verdict about a claim, for its author and for the neighbours."""

    part: str
    value: PartValue
    base: str
    decision: str
    """``accept`` or ``reject``."""
    gain_bpb: float
    reason: str

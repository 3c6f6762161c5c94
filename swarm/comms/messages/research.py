"""Research: a researcher's own timers."""

from swarm.kernel.message import ContractId, Message


class WakeDue(Message, frozen=True, kw_only=True, tag="research.wake_due"):
    """Everything that came at one instant has been taken in: decide what to do next."""


class ClaimDue(Message, frozen=True, kw_only=True, tag="research.claim_due"):
    """A claim that nobody reviewed may be made again; ``contract`` is that of the first try."""

    contract: ContractId

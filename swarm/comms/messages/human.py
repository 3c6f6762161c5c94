"""The gate that people keep: what must not happen without their word.

integrator --ApprovalSought--> human          may this part be swapped?
human      --Decide--> its mind --Decided-->  where the gate is kept, a person answers
human      --Approved | Vetoed--> integrator
"""

from swarm.comms.messages.ship import PartValue
from swarm.kernel.message import ActorId, ContractId, Message


class ApprovalSought(Message, frozen=True, kw_only=True, tag="human.approval_sought"):
    """A part passed its test; gain in the unit of its benchmark."""

    contract: ContractId
    part: str
    value: PartValue
    author: ActorId
    gain: float
    gain_low: float
    gain_high: float
    unit: str


class Decide(Message, frozen=True, kw_only=True, tag="human.decide"):
    """The question that a person answers."""

    sought: ApprovalSought
    policy: bool
    """What counts as answered when nobody answers in time."""


class Decided(Message, frozen=True, kw_only=True, tag="human.decided"):
    """The answer."""

    is_approved: bool
    reason: str


class Approved(Message, frozen=True, kw_only=True, tag="human.approved"):
    """It may."""

    contract: ContractId
    reason: str


class Vetoed(Message, frozen=True, kw_only=True, tag="human.vetoed"):
    """It may not."""

    contract: ContractId
    reason: str

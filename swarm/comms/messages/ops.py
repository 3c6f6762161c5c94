"""Operations: what went wrong on a lease, and what the one on duty says about it.

broker --Incident--> devops                      jobs on a lease ended badly
devops --Advice--> broker --Advice--> holder     what to change, or to leave it
devops --TriageDue--> devops                     its own timer
devops --BurnInDue--> devops                     its own timer: the nodes it tested may be leased

Advice goes through the broker because no edge need lead from the one on duty to the holder.
"""

from typing import Literal

from swarm.kernel.message import ActorId, ContractId, Message


class Incident(Message, frozen=True, kw_only=True, tag="ops.incident"):
    """Jobs of this lease failed; the reasons are symptoms, not causes."""

    contract: ContractId
    holder: ActorId
    gpus: tuple[str, ...]
    failures: tuple[str, ...]


class Advice(Message, frozen=True, kw_only=True, tag="ops.advice"):
    """The diagnosis, and what the holder should do."""

    contract: ContractId
    diagnosis: Literal["diverged", "too_large", "bad_specification", "hardware", "unknown"]
    action: Literal["lower_rate", "shrink", "abandon", "retry"]
    reason: str


class BurnInDue(Message, frozen=True, kw_only=True, tag="ops.burn_in_due"):
    """The own timer of the one on duty: the nodes under test have stood it."""


class TriageDue(Message, frozen=True, kw_only=True, tag="ops.triage_due"):
    """The own timer of the one on duty: diagnose the incidents that have come."""

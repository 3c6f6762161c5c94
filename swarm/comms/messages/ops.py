"""Operations: what went wrong on a lease, and what the one on duty says about it.

broker --Incident--> devops      jobs on a lease ended badly
devops --Advice--> holder        what to change, or to leave it
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

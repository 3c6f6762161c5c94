"""Subcontracting: how a call reaches somebody that no edge leads to.

    actor --Carry--> neighbour --Carry--> ... --Carry--> recipient

Each carrier passes the message on to the neighbour that is next on a shortest path.
"""

from swarm.kernel.message import ActorId, ContractId, Message


class Carry(Message, frozen=True, kw_only=True, tag="subcontract.carry"):
    """Please get this to ``to``; ``payload`` is the JSON of the message carried."""

    origin: ActorId
    to: ActorId
    contract: ContractId
    """That of the message carried; empty if it has none."""
    payload: str

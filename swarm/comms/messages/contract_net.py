"""Contract Net: how work finds a contractor.

    initiator --CallForProposals--> participants
    initiator <--Propose | Refuse-- participants          (until the deadline of the call)
    initiator --AcceptProposal | RejectProposal--> proposers
    initiator <--InformResult | Failure-- winner          (until the deadline of the proposal)
    initiator --Cancel--> winner                          (any time before the result)

The winner works once the treasury tells it that the price is in escrow (``treasury.Secured``);
the initiator releases the escrow when the result passes its acceptance test.

Source: FIPA SC00029H, "Contract Net Interaction Protocol" (names kept).
Deviation: no ``not-understood``; an undecodable message is a decoder error. Cancel carries no
reply: the log is the confirmation.
"""

from swarm.kernel.message import ActorId, ContractId, Message
from swarm.units import Credits, Ticks


class CallForProposals(Message, frozen=True, kw_only=True, tag="contract_net.cfp"):
    """Who can do this task? ``task`` names it, ``terms`` is its JSON, typed by the task."""

    contract: ContractId
    task: str
    terms: str
    max_price: Credits
    deadline: Ticks
    """The instant at which bidding closes."""


class Propose(Message, frozen=True, kw_only=True, tag="contract_net.propose"):
    """I can, at this price, and expect to inform you by then."""

    contract: ContractId
    proposer: ActorId
    price: Credits
    ends_at: Ticks


class Refuse(Message, frozen=True, kw_only=True, tag="contract_net.refuse"):
    """I cannot."""

    contract: ContractId
    reason: str


class AcceptProposal(Message, frozen=True, kw_only=True, tag="contract_net.accept"):
    """You won; the price is being put into escrow."""

    contract: ContractId
    price: Credits


class RejectProposal(Message, frozen=True, kw_only=True, tag="contract_net.reject"):
    """You lost."""

    contract: ContractId


class InformResult(Message, frozen=True, kw_only=True, tag="contract_net.inform_result"):
    """Done; ``result`` is JSON, typed by the task."""

    contract: ContractId
    result: str


class Failure(Message, frozen=True, kw_only=True, tag="contract_net.failure"):
    """The work ended badly, or the winner could not begin it."""

    contract: ContractId
    reason: str


class Cancel(Message, frozen=True, kw_only=True, tag="contract_net.cancel"):
    """Stop; the result is no longer wanted."""

    contract: ContractId
    reason: str


class BiddingClosed(Message, frozen=True, kw_only=True, tag="contract_net.bidding_closed"):
    """The initiator's own timer: choose among the proposals that came."""

    contract: ContractId


class Overdue(Message, frozen=True, kw_only=True, tag="contract_net.overdue"):
    """The initiator's own timer: the winner should have informed by now."""

    contract: ContractId

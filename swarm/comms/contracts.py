"""Both sides of the contract net, as small states that roles keep inside their own.

An initiator opens a ``Call``, feeds it the proposals, closes the bidding on the timer, and settles
when the result came. A participant keeps a ``Job`` from acceptance to result. Neither knows what
the task is. The treasury's escrow stands between them: a winner begins when it is ``Secured``.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import Credits, Ticks


class Call(msgspec.Struct):
    """The initiator's side of one contract.

    Phases: bidding -> securing -> working -> settled; straight to settled without a proposal.
    """

    contract: ContractId
    task: str
    terms: str
    phase: Literal["bidding", "securing", "working", "settled"] = "bidding"
    proposals: dict[ActorId, cn.Propose] = {}
    winner: ActorId = ActorId("")
    price: Credits = Credits(0)


class Job(msgspec.Struct):
    """The participant's side of one contract, from its proposal on."""

    contract: ContractId
    initiator: ActorId
    task: str
    terms: str
    price: Credits
    phase: Literal["proposed", "accepted", "working"] = "proposed"
    is_secured: bool = False


def open_call(
    ctx: Context,
    *,
    contract: ContractId,
    to: Iterable[ActorId],
    task: str,
    terms: str,
    max_price: Credits,
    window: Ticks,
) -> Call:
    """Calls for proposals, and sets the timer that closes the bidding."""
    call = cn.CallForProposals(
        contract=contract,
        task=task,
        terms=terms,
        max_price=max_price,
        deadline=Ticks(ctx.now + window),
    )
    ctx.tell_all(to, call)
    ctx.after(window, cn.BiddingClosed(contract=contract))
    return Call(contract=contract, task=task, terms=terms)


def collect(call: Call, proposal: cn.Propose) -> None:
    """Keeps a proposal; one that comes late, or twice, changes nothing."""
    if call.phase == "bidding":
        call.proposals.setdefault(proposal.proposer, proposal)


def award(ctx: Context, call: Call, *, treasury: ActorId, advance_percent: int = 0) -> bool:
    """Closes the bidding: accepts the cheapest, rejects the others, orders the escrow.

    Ties go to the earlier end, then to the initiator's stream, so that equals share the work.

    Args:
        ctx: The role's context.
        call: What is awarded.
        treasury: Where the price goes into escrow.
        advance_percent: Share of the price, 0 to 100, that the winner gets at once to work with.

    Returns:
        Whether there was a winner; without one the call is settled.
    """
    ranked = sorted(call.proposals.values(), key=lambda p: (p.price, p.ends_at, p.proposer))
    if not ranked:
        call.phase = "settled"
        return False
    equals = [p for p in ranked if (p.price, p.ends_at) == (ranked[0].price, ranked[0].ends_at)]
    best = ctx.rng("award").choice(equals) if len(equals) > 1 else ranked[0]
    others = [p for p in ranked if p is not best]
    call.phase, call.winner, call.price = "securing", best.proposer, best.price
    ctx.tell(best.proposer, cn.AcceptProposal(contract=call.contract, price=best.price))
    for other in others:
        ctx.tell(other.proposer, cn.RejectProposal(contract=call.contract))
    escrow = money.Escrow(
        contract=call.contract,
        payee=best.proposer,
        amount=best.price,
        advance=Credits(best.price * advance_percent // 100),
    )
    ctx.tell(treasury, escrow)
    return True


def secured(ctx: Context, call: Call, *, patience: Ticks) -> None:
    """Notes that the price is in escrow, and sets the timer for a winner who never informs."""
    if call.phase == "securing":
        call.phase = "working"
        ctx.after(patience, cn.Overdue(contract=call.contract))


def settle(ctx: Context, call: Call, *, treasury: ActorId, is_accepted: bool) -> None:
    """Ends the contract: the winner is paid, or the price comes back."""
    if call.phase in ("securing", "working"):
        ctx.tell(treasury, money.Release(contract=call.contract, is_accepted=is_accepted))
    call.phase = "settled"


def propose(
    ctx: Context, call: cn.CallForProposals, *, to: ActorId, price: Credits, ends_at: Ticks
) -> Job:
    """Proposes, and returns the job as it would be."""
    proposal = cn.Propose(contract=call.contract, proposer=ctx.me, price=price, ends_at=ends_at)
    ctx.tell(to, proposal)
    return Job(contract=call.contract, initiator=to, task=call.task, terms=call.terms, price=price)


def may_begin(job: Job, message: cn.AcceptProposal | money.Secured) -> bool:
    """Notes one of the two conditions of work; returns True exactly once, when both hold."""
    if isinstance(message, money.Secured):
        job.is_secured = True
    elif job.phase == "proposed":
        job.phase = "accepted"
    if job.phase == "accepted" and job.is_secured:
        job.phase = "working"
        return True
    return False

"""A claim: a gain that somebody else is to replicate, from the author's side.

Protocol  initiator of one ``replicate`` contract with the reviewers among its neighbours
          (``comms/contracts.py``). The review is paid whatever it finds: the work was done.
States    those of its call, bidding -> securing -> working -> settled; then it has a result, or a
          reason why not.
Asks      nobody.
Raises    nothing: whatever goes wrong is data.
"""

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias, assert_never

import msgspec

from swarm.comms import contracts
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import ship
from swarm.comms.messages import treasury as money
from swarm.comms.messages.ship import PartValue
from swarm.errors import WireError
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.pipeline import tasks
from swarm.pipeline.disciplines import arm
from swarm.pipeline.pretraining.spec import Mixture
from swarm.pipeline.values import combine, identity, read_value
from swarm.units import Credits, Ticks

REVIEWER = "reviewer"
"""Role of those who replicate."""

ClaimMessage: TypeAlias = (
    cn.Propose | cn.Refuse | cn.BiddingClosed | cn.InformResult | cn.Failure | cn.Overdue
    | money.Secured | money.Denied
)  # fmt: skip


class Claim(msgspec.Struct, kw_only=True):
    """Where one claim stands."""

    part: str
    value: PartValue
    replaces: PartValue
    """What stood there when it was tried, or since: what it is better than."""
    gain_bpb: float
    n_tries: int = 0
    is_due: bool = False
    """Whether a shelved claim has waited long enough."""
    is_sought: bool = False
    """Whether the director was asked for the price."""
    call: contracts.Call | None = None
    result: tasks.ReplicateResult | None = None
    reason: str = ""
    """Why nobody reviewed it."""

    @property
    def contract(self) -> ContractId:
        """Id of the last try; empty before the first."""
        return ContractId("") if self.call is None else self.call.contract

    @property
    def has_ended(self) -> bool:
        """Whether nothing further will happen."""
        return self.call is not None and self.call.phase == "settled"


def near_reviewers(ctx: Context) -> tuple[ActorId, ...]:
    """Returns the reviewers one edge away."""
    return tuple(one for one in ctx.neighbours if one.rpartition("-")[0] == REVIEWER)


def rebase(claim: Claim, current: PartValue) -> Literal["kept", "moved", "void"]:
    """Makes the claim one about what stands there now, if somebody else swapped the part meanwhile.

    Settings that the claim changed are changed in the current value too; whether that gains is for
    the reviewer to find out. A shift of a mixture says little about another mixture.

    Returns:
        ``void`` if nothing is left to claim; the claim is as it was then.
    """
    if current == claim.replaces:
        return "kept"
    value = None
    if not isinstance(read_value(claim.part, current), Mixture):
        value = combine(claim.part, claim.replaces, claim.value, current)
    if value is None or identity(claim.part, value) == identity(claim.part, current):
        return "void"
    claim.value, claim.replaces = value, current
    return "moved"


def open_claim(
    ctx: Context,
    claim: Claim,
    *,
    contract: ContractId,
    reviewers: Sequence[ActorId],
    on: ship.Announced,
    max_price: Credits,
    window: Ticks,
) -> None:
    """Calls for somebody to replicate the claim on the ship as it was last announced."""
    terms = tasks.ReplicateTerms(
        part=claim.part,
        value=claim.value,
        base=on.manifest,
        parts=on.parts,
        base_bpb=arm(on, claim.part),
    )
    claim.n_tries += 1
    claim.reason = ""
    claim.call = contracts.open_call(
        ctx,
        contract=contract,
        to=reviewers,
        task=tasks.REPLICATE,
        terms=tasks.to_json(terms),
        max_price=max_price,
        window=window,
    )


def advance(
    ctx: Context,
    claim: Claim,
    message: ClaimMessage,
    *,
    treasury: ActorId,
    max_price: Credits,
    patience: Ticks,
) -> bool:
    """Moves on by one message of the claim's contract.

    Args:
        ctx: The role's context.
        claim: What moves; its call is open.
        message: Of its contract.
        treasury: Where the price goes into escrow.
        max_price: Dearer proposals are rejected.
        patience: How long after its promised end the reviewer may inform.

    Returns:
        True exactly once: when the claim has ended, with a result or a reason.
    """
    call = claim.call
    if call is None or claim.has_ended:
        return False
    match message:
        case cn.Propose():
            if call.phase == "bidding" and message.price <= max_price:
                contracts.collect(call, message)
            else:
                ctx.tell(ctx.sender, cn.RejectProposal(contract=message.contract))
        case cn.Refuse():
            pass  # silence and refusal mean the same once bidding closes
        case cn.BiddingClosed() | cn.Overdue():
            _on_timer(ctx, claim, call, message, treasury)
        case money.Secured():
            if call.phase == "securing":
                promised = max(0, call.proposals[call.winner].ends_at - ctx.now)
                contracts.secured(ctx, call, patience=Ticks(promised + patience))
        case money.Denied():
            _on_denied(ctx, claim, call, message)
        case cn.InformResult() | cn.Failure():
            _on_answer(ctx, claim, call, message, treasury)
        case _:
            assert_never(message)
    return claim.has_ended


def _on_timer(
    ctx: Context,
    claim: Claim,
    call: contracts.Call,
    timer: cn.BiddingClosed | cn.Overdue,
    treasury: ActorId,
) -> None:
    match timer, call.phase:
        case cn.BiddingClosed(), "bidding":
            if not contracts.award(
                ctx, call, treasury=treasury, advance_percent=tasks.REVIEW_ADVANCE_PERCENT
            ):
                claim.reason = "no reviewer proposed"
        case cn.Overdue(), "working":
            ctx.tell(call.winner, cn.Cancel(contract=call.contract, reason="overdue"))
            contracts.settle(ctx, call, treasury=treasury, is_accepted=False)
            claim.reason = f"the review by {call.winner} is overdue"
        case _:
            pass  # the phase that the timer watched over has passed


def _on_denied(ctx: Context, claim: Claim, call: contracts.Call, message: money.Denied) -> None:
    """Lets the winner go; there is no escrow to release."""
    if call.phase == "securing":
        ctx.tell(call.winner, cn.Cancel(contract=call.contract, reason="the price is not there"))
        call.phase = "settled"
        claim.reason = f"cannot pay {message.amount} for the review, has {message.balance}"


def _on_answer(
    ctx: Context,
    claim: Claim,
    call: contracts.Call,
    message: cn.InformResult | cn.Failure,
    treasury: ActorId,
) -> None:
    if ctx.sender != call.winner:
        return
    match message:
        case cn.Failure():
            claim.reason = f"the review by {call.winner} failed: {message.reason}"
        case cn.InformResult():
            try:
                result = tasks.replicate_result(message.result)
            except WireError as wrong:
                claim.reason = f"the review by {call.winner} not accepted: {wrong}"
            else:
                if math.isfinite(result.gain_bpb):
                    claim.result = result
                else:
                    claim.reason = f"the review by {call.winner} not accepted: gain not finite"
    contracts.settle(ctx, call, treasury=treasury, is_accepted=claim.result is not None)

"""Scoring: have models or values measured by an evaluator, and pay for the scores asked for.

Protocol  initiator of one ``evaluate`` contract (``comms/contracts.py``).
States    those of its call, bidding -> securing -> working -> settled; then it has scores, or a
          reason why not.
Asks      nobody.
Raises    nothing: whatever goes wrong is data.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias, assert_never

import msgspec

from swarm.comms import contracts
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import treasury as money
from swarm.errors import WireError
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.pipeline import tasks
from swarm.units import Credits, Ticks

ScoringMessage: TypeAlias = (
    cn.Propose | cn.Refuse | cn.BiddingClosed | cn.InformResult | cn.Failure | cn.Overdue
    | money.Secured | money.Denied
)  # fmt: skip


class Scoring(msgspec.Struct):
    """Where one evaluation stands, from the initiator's side."""

    call: contracts.Call
    artifacts: list[str]
    max_price: Credits
    scores: list[tasks.Score] = []
    """In the order of the artifacts, once there are any."""
    reason: str = ""
    """Why it failed."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing further will happen."""
        return self.call.phase == "settled"


def open_scoring(
    ctx: Context,
    *,
    contract: ContractId,
    evaluators: Sequence[ActorId],
    about: tasks.EvaluateTerms,
    max_price: Credits,
    window: Ticks,
) -> Scoring:
    """Calls for proposals to score what the terms name."""
    call = contracts.open_call(
        ctx,
        contract=contract,
        to=evaluators,
        task=tasks.EVALUATE,
        terms=tasks.to_json(about),
        max_price=max_price,
        window=window,
    )
    return Scoring(call=call, artifacts=list(about.artifacts), max_price=max_price)


def advance(
    ctx: Context, scoring: Scoring, message: ScoringMessage, *, treasury: ActorId, patience: Ticks
) -> None:
    """Moves on by one message about this contract.

    Args:
        ctx: The role's context.
        scoring: What moves.
        message: Of this contract.
        treasury: Where the price goes into escrow.
        patience: How long after its promised end the evaluator may inform.
    """
    call = scoring.call
    match message:
        case cn.Propose():
            _on_proposal(ctx, scoring, message)
        case cn.Refuse():
            pass  # silence and refusal mean the same once bidding closes
        case cn.BiddingClosed():
            if call.phase == "bidding" and not contracts.award(ctx, call, treasury=treasury):
                scoring.reason = "no evaluator proposed to score it"
        case money.Secured():
            if call.phase == "securing":
                promised = max(0, call.proposals[call.winner].ends_at - ctx.now)
                contracts.secured(ctx, call, patience=Ticks(promised + patience))
        case money.Denied():
            _on_denied(ctx, scoring, message)
        case cn.InformResult() | cn.Failure():
            _on_answer(ctx, scoring, message, treasury)
        case cn.Overdue():
            if call.phase == "working":
                withdraw(ctx, scoring, treasury=treasury, reason="the evaluation is overdue")
        case _:
            assert_never(message)


def withdraw(ctx: Context, scoring: Scoring, *, treasury: ActorId, reason: str) -> None:
    """Ends the contract from this side: bidders are told, an escrow comes back."""
    call = scoring.call
    if call.phase == "bidding":
        for bidder in sorted(call.proposals):  # dict order is arrival order
            ctx.tell(bidder, cn.RejectProposal(contract=call.contract))
    elif call.phase in ("securing", "working"):
        ctx.tell(call.winner, cn.Cancel(contract=call.contract, reason=reason))
    contracts.settle(ctx, call, treasury=treasury, is_accepted=False)
    scoring.reason = scoring.reason or reason


def _on_proposal(ctx: Context, scoring: Scoring, proposal: cn.Propose) -> None:
    """Keeps a proposal; one that is late or too dear is rejected, so that nobody waits."""
    if scoring.call.phase == "bidding" and proposal.price <= scoring.max_price:
        contracts.collect(scoring.call, proposal)
    else:
        ctx.tell(ctx.sender, cn.RejectProposal(contract=proposal.contract))


def _on_denied(ctx: Context, scoring: Scoring, message: money.Denied) -> None:
    """Lets the winner go; there is no escrow to release."""
    call = scoring.call
    if call.phase != "securing":
        return
    ctx.tell(call.winner, cn.Cancel(contract=call.contract, reason="the price is not there"))
    call.phase = "settled"
    scoring.reason = (
        f"cannot pay {message.amount} micro-credits for the evaluation, has {message.balance}"
    )


def _on_answer(
    ctx: Context, scoring: Scoring, message: cn.InformResult | cn.Failure, treasury: ActorId
) -> None:
    """Accepts and pays for scores of exactly the artifacts asked for; refuses anything else."""
    if ctx.sender != scoring.call.winner or scoring.has_ended:
        return
    match message:
        case cn.Failure():
            scoring.reason = f"the evaluation failed: {message.reason}"
        case cn.InformResult():
            try:
                scores = tasks.evaluate_result(message.result).scores
            except WireError as wrong:
                scoring.reason = f"scores by {scoring.call.winner} not accepted: {wrong}"
            else:
                scoring.reason = _problem(scores, scoring)
                scoring.scores = [] if scoring.reason else list(scores)
    contracts.settle(ctx, scoring.call, treasury=treasury, is_accepted=not scoring.reason)


def _problem(scores: Sequence[tasks.Score], scoring: Scoring) -> str:
    if [score.artifact for score in scores] != scoring.artifacts:
        return f"scores by {scoring.call.winner} not accepted: not of the artifacts asked for"
    if not all(math.isfinite(x) for score in scores for x in (score.bpb, *score.block_bpb)):
        return f"scores by {scoring.call.winner} not accepted: not finite"
    return ""

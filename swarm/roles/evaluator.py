"""Evaluator: measures checkpoints on the sealed benchmark, for a posted price.

Protocol  Contract Net, participant side, task ``evaluate`` (``comms/contracts.py``).
States    per contract: proposed -> accepted -> working, gone with the result; many at once.
Asks      jobs ``evaluation.evaluate``, one per artifact, all of a contract side by side: an
          evaluator owns the small machine that they run on, and needs no lease.
Raises    nothing: unreadable terms are refused, a job that fails is a ``Failure``.

A proposal that is neither accepted nor rejected, or accepted but never paid into escrow, is
dropped when ``patience`` is over: nothing is remembered for ever.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms import contracts
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import WireError
from swarm.gpu.cost import CostModel
from swarm.kernel.message import ContractId, MessageId
from swarm.kernel.role import Context
from swarm.pipeline import tasks
from swarm.pipeline.evaluation.spec import N_BLOCKS, Evaluate, Evaluated
from swarm.units import Credits, Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | cn.CallForProposals | cn.AcceptProposal | cn.RejectProposal | cn.Cancel | cn.Overdue
    | money.Secured | money.Credited
    | Evaluated | work.JobFailed
)  # fmt: skip


class Slot(msgspec.Struct, frozen=True):
    """What a running job measures: an artifact of a contract, by its place in the terms."""

    contract: ContractId
    place: int


class Order(msgspec.Struct):
    """One contract from the proposal on."""

    job: contracts.Job
    terms: tasks.EvaluateTerms
    scores: list[tasks.Score | None]
    """In the order of the terms."""
    failures: list[str] = []


class EvaluatorState(msgspec.Struct):
    """Contracts that are open, and jobs that run."""

    orders: dict[ContractId, Order] = {}
    running: dict[MessageId, Slot] = {}
    """By what ``ctx.run`` returned."""


class Evaluator:
    """Scores what it is asked to, as long as it is paid.

    Args:
        corpus: Hash of the corpus whose sealed split it reads.
        price_per_score: What one artifact costs, always.
        cost: How long an evaluation takes.
        patience: How long after the end of bidding it waits for an answer and the escrow.
        lookahead: No job takes less; each way of a message takes about as long.
        n_blocks: How many blocks of text an evaluation reads.
    """

    def __init__(
        self,
        *,
        corpus: str,
        price_per_score: Credits,
        cost: CostModel,
        patience: Ticks,
        lookahead: Ticks,
        n_blocks: int = N_BLOCKS,
    ) -> None:
        self._corpus = corpus
        self._price_per_score = price_per_score
        self._cost = cost
        self._patience = patience
        self._lookahead = lookahead
        self._n_blocks = n_blocks
        self.state = EvaluatorState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the states."""
        match message:
            case cn.CallForProposals():
                self._consider(message, ctx)
            case cn.AcceptProposal() | money.Secured():
                self._on_condition(message, ctx)
            case cn.RejectProposal():
                self._drop(message.contract)
            case cn.Cancel():
                self._on_cancel(message, ctx)
            case cn.Overdue():
                self._on_overdue(message, ctx)
            case Evaluated() | work.JobFailed():
                self._on_ended(message, ctx)
            case (
                work.Start() | need.Announced() | ship.Announced() | money.Credited()
                | finding.Trial() | finding.Reviewed()
            ):  # fmt: skip
                pass  # it serves; nothing of this changes what it does
            case _:
                assert_never(message)

    def _consider(self, call: cn.CallForProposals, ctx: Context) -> None:
        """Proposes at the posted price, or says why not."""
        try:
            terms = None if call.task != tasks.EVALUATE else tasks.evaluate_terms(call.terms)
        except WireError as wrong:
            ctx.tell(ctx.sender, cn.Refuse(contract=call.contract, reason=str(wrong)))
            return
        price = Credits(len(terms.artifacts) * self._price_per_score) if terms else Credits(0)
        if reason := self._objection(call, terms, price, ctx.now):
            ctx.tell(ctx.sender, cn.Refuse(contract=call.contract, reason=reason))
        elif terms:
            # Accepted, escrowed, secured: three ways; measured; informed: one more.
            ends_at = Ticks(call.deadline + 4 * self._lookahead + self._takes("", terms.seed))
            job = contracts.propose(ctx, call, to=ctx.sender, price=price, ends_at=ends_at)
            order = Order(job=job, terms=terms, scores=[None] * len(terms.artifacts))
            self.state.orders[call.contract] = order
            wait = Ticks(call.deadline - ctx.now + self._patience)
            ctx.after(wait, cn.Overdue(contract=call.contract))

    def _objection(
        self,
        call: cn.CallForProposals,
        terms: tasks.EvaluateTerms | None,
        price: Credits,
        now: Ticks,
    ) -> str:
        if terms is None:
            return f"an evaluator does not {call.task}"
        if not terms.artifacts:
            return "no artifact to evaluate"
        if price > call.max_price:
            return f"{len(terms.artifacts)} scores cost {price}, above {call.max_price}"
        if call.deadline <= now or call.contract in self.state.orders:
            return "the call is over, or known already"
        return ""

    def _on_condition(self, message: cn.AcceptProposal | money.Secured, ctx: Context) -> None:
        """Begins when both the acceptance and the escrow are there."""
        order = self.state.orders.get(message.contract)
        if order is None:
            if isinstance(message, cn.AcceptProposal):
                reason = "the proposal has lapsed"
                ctx.tell(ctx.sender, cn.Failure(contract=message.contract, reason=reason))
            return
        if isinstance(message, money.Secured) and message.amount < order.job.price:
            self._drop(message.contract)
            reason = f"{message.amount} in escrow, the price is {order.job.price}"
            ctx.tell(order.job.initiator, cn.Failure(contract=message.contract, reason=reason))
        elif contracts.may_begin(order.job, message):
            for place, artifact in enumerate(order.terms.artifacts):
                takes = self._takes(artifact, order.terms.seed)
                made = ctx.run(self._spec(artifact, order.terms.seed), takes=takes)
                self.state.running[made] = Slot(message.contract, place)

    def _on_ended(self, result: Evaluated | work.JobFailed, ctx: Context) -> None:
        """Takes a result in; the last one of a contract is followed by the answer to it."""
        slot = self.state.running.pop(ctx.cause, None)
        order = self.state.orders.get(slot.contract) if slot else None
        if slot is None or order is None:
            return  # of a contract that was cancelled
        artifact = order.terms.artifacts[slot.place]
        if isinstance(result, Evaluated):
            score = tasks.Score(artifact=artifact, bpb=result.bpb, block_bpb=result.block_bpb)
            order.scores[slot.place] = score
        else:
            order.failures.append(f"{artifact}: {result.kind}: {result.reason}")
        if all(other.contract != slot.contract for other in self.state.running.values()):
            self._drop(slot.contract)
            self._answer(order, ctx)

    def _answer(self, order: Order, ctx: Context) -> None:
        contract, initiator = order.job.contract, order.job.initiator
        if order.failures:
            reason = "; ".join(sorted(order.failures))  # sorted: they came in any order
            ctx.tell(initiator, cn.Failure(contract=contract, reason=reason))
            ctx.note(f"{contract} for {initiator} failed, {reason}")
            return
        scores = tuple(score for score in order.scores if score)
        text = tasks.to_json(tasks.EvaluateResult(scores=scores))
        ctx.tell(initiator, cn.InformResult(contract=contract, result=text))
        listed = " ".join(f"{score.bpb:.4f}" for score in scores)
        ctx.note(f"{contract} for {initiator}: {listed} bpb")

    def _on_cancel(self, cancel: cn.Cancel, ctx: Context) -> None:
        if self._drop(cancel.contract):
            ctx.note(f"{cancel.contract} cancelled by {ctx.sender}: {cancel.reason}")

    def _on_overdue(self, overdue: cn.Overdue, ctx: Context) -> None:
        """Its own timer: who has not been engaged by now is free."""
        order = self.state.orders.get(overdue.contract)
        if order and order.job.phase != "working":
            self._drop(overdue.contract)
            ctx.note(f"{overdue.contract}: {order.job.phase}, but never secured; dropped")
            if order.job.phase == "accepted":
                reason = "the price did not come into escrow"
                ctx.tell(order.job.initiator, cn.Failure(contract=overdue.contract, reason=reason))

    def _drop(self, contract: ContractId) -> Order | None:
        return self.state.orders.pop(contract, None)

    def _spec(self, artifact: str, seed: int) -> Evaluate:
        return Evaluate(
            corpus=self._corpus,
            artifact=artifact,
            split="sealed",
            seed=seed,
            n_blocks=self._n_blocks,
        )

    def _takes(self, artifact: str, seed: int) -> Ticks:
        cost = self._spec(artifact, seed).cost()
        return Ticks(max(self._lookahead, self._cost.ticks(cost, 1)))

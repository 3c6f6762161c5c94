"""Evaluator: measures models and values on the sealed benchmarks, for a posted price.

Protocol  Contract Net, participant side, task ``evaluate`` (``comms/contracts.py``).
States    per contract: proposed -> accepted -> working, gone with the result; many at once.
Asks      what ``pipeline/measuring.py`` says, for all subjects of a contract side by side: an
          evaluator owns the small machine that jobs run on, and needs no lease. Notebook policies
          are practised by its mind.
Raises    nothing: unreadable terms are refused, a job that fails is a ``Failure``.

A proposal that is neither accepted nor rejected, or accepted but never paid into escrow, is
dropped when ``patience`` is over: nothing is remembered for ever.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms import contracts
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, mind, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import WireError
from swarm.gpu.cost import CostModel
from swarm.kernel.message import ContractId, MessageId
from swarm.kernel.role import Context
from swarm.pipeline import tasks
from swarm.pipeline.evaluation.spec import Evaluated
from swarm.pipeline.inference.spec import Refereed
from swarm.pipeline.measuring import Bench, Measured, Measurement, measurements, score
from swarm.pipeline.posttraining.spec import Solved
from swarm.units import Credits, Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | cn.CallForProposals | cn.AcceptProposal | cn.RejectProposal | cn.Cancel | cn.Overdue
    | money.Secured | money.Credited
    | Measured | work.JobFailed
)  # fmt: skip


class Slot(msgspec.Struct, frozen=True):
    """What a running job measures: a subject of a contract, by its place in the terms."""

    contract: ContractId
    place: int
    step: int
    """Which of the subject's measurements."""


class Order(msgspec.Struct):
    """One contract from the proposal on."""

    job: contracts.Job
    terms: tasks.EvaluateTerms
    answers: list[list[Measured | None]]
    """For each subject, in the order of the terms, its measurements in their order."""
    failures: list[str] = []


class EvaluatorState(msgspec.Struct):
    """Contracts that are open, and jobs that run."""

    orders: dict[ContractId, Order] = {}
    running: dict[MessageId, Slot] = {}
    """By what ``ctx.run`` returned."""


class Evaluator:
    """Scores what it is asked to, as long as it is paid.

    Args:
        bench: What it measures on.
        price_per_score: What one artifact costs, always.
        cost: How long an evaluation takes.
        patience: How long after the end of bidding it waits for an answer and the escrow.
        lookahead: No job takes less; each way of a message takes about as long.
    """

    def __init__(
        self,
        *,
        bench: Bench,
        price_per_score: Credits,
        cost: CostModel,
        patience: Ticks,
        lookahead: Ticks,
    ) -> None:
        self._bench = bench
        self._price_per_score = price_per_score
        self._cost = cost
        self._patience = patience
        self._lookahead = lookahead
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
            case (
                Evaluated() | Solved() | Refereed() | mind.Practised() | work.JobFailed()
            ):  # fmt: skip
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
            work_ = [] if terms is None else self._work(terms)
        except WireError as wrong:
            ctx.tell(ctx.sender, cn.Refuse(contract=call.contract, reason=str(wrong)))
            return
        price = Credits(len(terms.artifacts) * self._price_per_score) if terms else Credits(0)
        if reason := self._objection(call, terms, price, ctx.now):
            ctx.tell(ctx.sender, cn.Refuse(contract=call.contract, reason=reason))
        elif terms:
            # Accepted, escrowed, secured: three ways; measured; informed: one more.
            takes = max((self._takes(one) for each in work_ for one in each), default=0)
            ends_at = Ticks(call.deadline + 4 * self._lookahead + takes)
            job = contracts.propose(ctx, call, to=ctx.sender, price=price, ends_at=ends_at)
            answers: list[list[Measured | None]] = [[None] * len(each) for each in work_]
            order = Order(job=job, terms=terms, answers=answers)
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
            for place, each in enumerate(self._work(order.terms)):
                for step, one in enumerate(each):
                    order_it = ctx.ask if isinstance(one, mind.Practise) else ctx.run
                    made = order_it(one, takes=self._takes(one))
                    self.state.running[made] = Slot(message.contract, place, step)
            if not any(order.answers):  # every subject is what it is held against
                self._drop(message.contract)
                self._answer(order, ctx)

    def _on_ended(self, result: Measured | work.JobFailed, ctx: Context) -> None:
        """Takes a result in; the last one of a contract is followed by the answer to it."""
        slot = self.state.running.pop(ctx.cause, None)
        order = self.state.orders.get(slot.contract) if slot else None
        if slot is None or order is None:
            return  # of a contract that was cancelled
        if isinstance(result, work.JobFailed):
            subject = order.terms.artifacts[slot.place]
            order.failures.append(f"{subject:.100}: {result.kind}: {result.reason}")
        else:
            order.answers[slot.place][slot.step] = result
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
        scores = tuple(
            score(order.terms, subject, [one for one in each if one is not None])
            for subject, each in zip(order.terms.artifacts, order.answers, strict=True)
        )
        text = tasks.to_json(tasks.EvaluateResult(scores=scores))
        ctx.tell(initiator, cn.InformResult(contract=contract, result=text))
        listed = " ".join(f"{one.bpb:.4f}" for one in scores)
        ctx.note(f"{contract} for {initiator}: {order.terms.benchmark} {listed}")

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

    def _work(self, terms: tasks.EvaluateTerms) -> list[list[Measurement]]:
        return [measurements(terms, subject, self._bench) for subject in terms.artifacts]

    def _takes(self, one: Measurement) -> Ticks:
        if isinstance(one, mind.Practise):
            return self._lookahead
        return Ticks(max(self._lookahead, self._cost.ticks(one.cost(), 1)))

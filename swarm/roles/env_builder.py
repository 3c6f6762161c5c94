"""EnvBuilder: makes environments to order, one at a time, and sells those that pass the gates.

Protocol  Contract Net, participant side, task ``build`` (``comms/contracts.py``); tells the
          director what it sells (``comms/messages/market.py``).
States    idle -> proposed -> building -> idle. An environment that fails a gate is followed by
          another draft, up to ``DRAFTS``; then the order fails.
Asks      jobs ``posttraining.examine``.
Raises    nothing: what goes wrong is a ``Failure`` to the buyer, and a note.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms import contracts
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, market, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import WireError
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.pipeline import tasks
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.building import draft
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.environments.spec import Examine, Examined
from swarm.pipeline.values import read_environment
from swarm.units import Credits, Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | cn.CallForProposals | cn.AcceptProposal | cn.RejectProposal | cn.Cancel | cn.Overdue
    | money.Secured | money.Credited | market.CalledBack | Examined | work.JobFailed
)  # fmt: skip

DRAFTS = 4


class EnvBuilderState(msgspec.Struct):
    """The order at hand, and what it has learned not to build."""

    job: contracts.Job | None = None
    terms: tasks.BuildTerms | None = None
    drafted: EnvSpec | None = None
    """Under examination."""
    n_drafts: int = 0
    shunned: list[EnvSpec] = []
    """What failed a gate, or was called back."""


class EnvBuilder:
    """Builds environments for a posted price.

    Args:
        price: What one costs.
        takes: How long an examination takes.
        director: Who is told what is for sale.
        patience: How long after the end of bidding it waits for an answer and the escrow.
        stock: What it offers from the start, unexamined.
    """

    def __init__(
        self,
        *,
        price: Credits,
        takes: Ticks,
        director: ActorId,
        patience: Ticks,
        stock: tuple[EnvSpec, ...] = (),
    ) -> None:
        self._price = price
        self._takes = takes
        self._director = director
        self._patience = patience
        self._stock = stock
        self.state = EnvBuilderState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the states."""
        match message:
            case work.Start():
                for environment in self._stock:
                    self._publish(environment, ctx)
            case cn.CallForProposals():
                self._consider(message, ctx)
            case cn.AcceptProposal() | money.Secured():
                self._on_condition(message, ctx)
            case cn.RejectProposal() | cn.Cancel():
                if self._is_mine(message.contract):
                    self._rest()
            case cn.Overdue():
                job = self.state.job
                if job is not None and self._is_mine(message.contract) and job.phase != "working":
                    self._fail(f"{job.phase}, but never secured", ctx)
            case Examined() | work.JobFailed():
                self._on_examined(message, ctx)
            case market.CalledBack():
                self.state.shunned.append(read_environment(message.environment))
            case (
                need.Announced() | ship.Announced() | money.Credited()
                | finding.Trial() | finding.Reviewed()
            ):  # fmt: skip
                pass  # it builds to order
            case _:
                assert_never(message)

    def _consider(self, call: cn.CallForProposals, ctx: Context) -> None:
        """Proposes at the posted price, or says why not."""
        try:
            terms = tasks.build_terms(call.terms) if call.task == tasks.BUILD else None
        except WireError as wrong:
            ctx.tell(ctx.sender, cn.Refuse(contract=call.contract, reason=str(wrong)))
            return
        if reason := self._objection(call, terms, ctx.now):
            ctx.tell(ctx.sender, cn.Refuse(contract=call.contract, reason=reason))
            return
        ends_at = Ticks(call.deadline + self._patience + DRAFTS * self._takes)
        self.state.terms = terms
        self.state.job = contracts.propose(
            ctx, call, to=ctx.sender, price=self._price, ends_at=ends_at
        )
        ctx.after(
            Ticks(call.deadline - ctx.now + self._patience), cn.Overdue(contract=call.contract)
        )

    def _objection(
        self, call: cn.CallForProposals, terms: tasks.BuildTerms | None, now: Ticks
    ) -> str:
        if terms is None:
            return f"an environment builder does not {call.task}"
        if self.state.job is not None:
            return f"busy with {self.state.job.contract}"
        if self._price > call.max_price or call.deadline <= now:
            return f"an environment costs {self._price}, and takes time to propose"
        if not terms.current and not terms.wanted:
            return "nothing to start from"
        return ""

    def _on_condition(self, message: cn.AcceptProposal | money.Secured, ctx: Context) -> None:
        """Begins when both the acceptance and the escrow are there."""
        job = self.state.job
        if job is None or not self._is_mine(message.contract):
            if isinstance(message, cn.AcceptProposal):
                reason = "the proposal has lapsed"
                ctx.tell(ctx.sender, cn.Failure(contract=message.contract, reason=reason))
        elif contracts.may_begin(job, message):
            self._draft(ctx)

    def _draft(self, ctx: Context) -> None:
        state, rng = self.state, ctx.rng("drafts")
        if state.terms is None:
            return
        state.n_drafts += 1
        state.drafted = draft(state.terms.current, state.terms.wanted, state.shunned, rng)
        ctx.run(Examine(environment=state.drafted, seed=rng.integer(2**31)), takes=self._takes)

    def _on_examined(self, result: Examined | work.JobFailed, ctx: Context) -> None:
        """Delivers what passed; drafts another one otherwise."""
        state = self.state
        drafted, job = state.drafted, state.job
        state.drafted = None
        if drafted is None or job is None or job.phase != "working":
            return  # of an order that was cancelled
        reason = result.reason if isinstance(result, work.JobFailed) else "; ".join(result.failures)
        if reason:
            state.shunned.append(drafted)
            ctx.note(f"draft {drafted.family} at {drafted.difficulty} not sold: {reason}")
            if state.n_drafts < DRAFTS:
                self._draft(ctx)
            else:
                self._fail(f"{DRAFTS} drafts did not pass the gates", ctx)
            return
        result_text = tasks.to_json(tasks.BuildResult(environment=drafted))
        ctx.tell(job.initiator, cn.InformResult(contract=job.contract, result=result_text))
        ctx.note(f"built {drafted.family} at {drafted.difficulty} for {job.initiator}")
        self._publish(drafted, ctx)
        self._rest()

    def _publish(self, environment: EnvSpec, ctx: Context) -> None:
        ctx.tell(self._director, market.Published(environment=canonical_json(environment)))

    def _is_mine(self, contract: str) -> bool:
        return self.state.job is not None and self.state.job.contract == contract

    def _fail(self, reason: str, ctx: Context) -> None:
        job = self.state.job
        self._rest()
        if job is not None:
            ctx.note(f"{job.contract} not built: {reason}")
            ctx.tell(job.initiator, cn.Failure(contract=job.contract, reason=reason))

    def _rest(self) -> None:
        state = self.state
        state.job = state.terms = state.drafted = None
        state.n_drafts = 0

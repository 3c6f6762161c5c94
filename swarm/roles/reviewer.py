"""Reviewer: replicates what others claim, on fresh seeds, one claim at a time.

Protocol  Contract Net, participant side, task ``replicate`` (``comms/contracts.py``); for the work
          itself holder of leases and initiator of ``evaluate`` contracts (``campaign.py``). What it
          accepts it proposes to the integrator (``comms/messages/ship.py``); either way it tells
          the researchers near it (``comms/messages/finding.py``).
States    idle -> proposed -> testing -> idle. It refuses, and says why, what it cannot take on:
          a second claim at a time, a claim about another ship than the one announced, a base arm
          that is not that ship's, a value that makes no sense, a review that it cannot pay for.
Asks      jobs ``pretraining.train`` and ``posttraining.post_train``, on seeds of its own stream.
Raises    nothing: what goes wrong is a ``Failure`` to the author, and a note.

Leases are paid at once, so most of a review's price comes in advance
(``tasks.REVIEW_ADVANCE_PERCENT``); what is missing must be there from earlier reviews.

Over 300 lines, a third of them the protocol: the test itself stands in ``replication.py``.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms import contracts
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, lease, need, ops, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import WireError
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.pipeline import campaign, replication, tasks
from swarm.pipeline.campaign import CampaignMessage, Numbering
from swarm.pipeline.disciplines import DISCIPLINES, arm
from swarm.pipeline.evidence import Verdict
from swarm.pipeline.posttraining.spec import PostTrained
from swarm.pipeline.pretraining.spec import Trained
from swarm.pipeline.replication import Replication
from swarm.pipeline.standards import Standards, longest, problem
from swarm.pipeline.standards import price as test_price
from swarm.pipeline.values import value_tag
from swarm.units import Credits, Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed | ops.Advice
    | ship.Swapped | ship.Declined | ship.RolledBack
    | cn.CallForProposals | cn.AcceptProposal | cn.RejectProposal | cn.Cancel | money.Credited
    | CampaignMessage
)  # fmt: skip


class ReviewerState(msgspec.Struct):
    """The ship as last announced, the money, and the claim at hand."""

    numbering: Numbering = msgspec.field(default_factory=Numbering)
    balance: Credits = Credits(0)
    """As last told by the treasury, less what was spent since."""
    announced: ship.Announced | None = None
    job: contracts.Job | None = None
    """The claim that it proposed to review; none when idle, or when the author cancelled."""
    terms: tasks.ReplicateTerms | None = None
    test: Replication | None = None
    """Runs on after a cancellation until its jobs have ended."""


class Reviewer:
    """Replicates claims for a posted price.

    Args:
        price: What a review costs that trains models; it should cover all looks of the gate.
        light_price: What one costs that only has values scored.
        standards: How claims are tested.
        integrator: Who is told of what holds.
        director: Who is told of every verdict.
        patience: How long after the end of bidding it waits for an answer and the escrow.
    """

    def __init__(
        self,
        *,
        price: Credits,
        light_price: Credits,
        standards: Standards,
        integrator: ActorId,
        director: ActorId,
        patience: Ticks,
    ) -> None:
        self._trained_price, self._light_price = price, light_price
        self._standards = standards
        self._integrator = integrator
        self._director = director
        self._patience = patience
        self.state = ReviewerState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the states."""
        match message:
            case ship.Announced():
                self.state.announced = message
            case money.Credited():
                self.state.balance = message.balance
            case cn.CallForProposals():
                self._consider(message, ctx)
            case cn.AcceptProposal():
                self._on_condition(message, ctx)
            case cn.RejectProposal() | cn.Cancel():
                self._on_unwanted(message, ctx)
            case (
                lease.Granted() | lease.Refused() | lease.Pending() | lease.Ended()
                | Trained() | PostTrained() | work.JobFailed()
                | cn.Propose() | cn.Refuse() | cn.BiddingClosed() | cn.InformResult()
                | cn.Failure() | cn.Overdue() | money.Secured() | money.Denied()
            ):  # fmt: skip
                self._work_on(message, ctx)
            case ops.Advice():
                ctx.note(f"advice on {message.contract}: {message.action} ({message.reason})")
            case (
                work.Start() | need.Announced() | finding.Trial() | finding.Reviewed()
                | ship.Swapped() | ship.Declined() | ship.RolledBack()
            ):  # fmt: skip
                pass  # it judges by its own seeds alone
            case _:
                assert_never(message)

    def _consider(self, call: cn.CallForProposals, ctx: Context) -> None:
        """Proposes to replicate a claim, or says why not."""
        try:
            terms = tasks.replicate_terms(call.terms) if call.task == tasks.REPLICATE else None
        except WireError as wrong:
            ctx.tell(ctx.sender, cn.Refuse(contract=call.contract, reason=str(wrong)))
            return
        objection = (
            self._objection(call, terms, ctx) if terms else f"a reviewer does not {call.task}"
        )
        if objection or terms is None:
            ctx.tell(ctx.sender, cn.Refuse(contract=call.contract, reason=objection))
            return
        price = self._price(terms.part)
        takes = longest(terms.part, terms.value, dict(terms.parts), self._standards)
        self.state.terms = terms
        self.state.job = contracts.propose(
            ctx, call, to=ctx.sender, price=price, ends_at=Ticks(call.deadline + takes)
        )
        wait = Ticks(call.deadline - ctx.now + self._patience)
        ctx.after(wait, cn.Overdue(contract=call.contract))

    def _objection(
        self, call: cn.CallForProposals, terms: tasks.ReplicateTerms, ctx: Context
    ) -> str:
        """Returns why it will not review; empty if it will."""
        state = self.state
        if state.job is not None:
            return f"busy with {state.job.contract}"
        if state.test is not None:
            return "busy with a cancelled review whose jobs have not ended"
        if flaw := self._flaw(terms):
            return flaw
        price = self._price(terms.part)
        if price > call.max_price or call.deadline <= ctx.now:
            return f"a review costs {price}, and takes time to propose"
        needed = test_price(terms.part, terms.value, dict(terms.parts), self._standards)
        advance = price * tasks.REVIEW_ADVANCE_PERCENT // 100
        if needed > state.balance + advance:
            return f"its seeds cost up to {needed}, I have {state.balance} and {advance} in advance"
        return ""

    def _price(self, part: str) -> Credits:
        return self._trained_price if DISCIPLINES[part].is_trained else self._light_price

    def _flaw(self, terms: tasks.ReplicateTerms) -> str:
        """Returns what is wrong with a claim; an author is not believed about the base arm."""
        now = self.state.announced
        if now is None or terms.base != now.manifest:
            return f"the claim is about ship {terms.base}, which is not the one I know"
        if flaw := problem(terms.part, terms.value, dict(now.parts), self._standards):
            return flaw
        if terms.parts != now.parts or terms.base_bpb != arm(now, terms.part):
            return "parts or base arm are not those that the integrator announced"
        return ""

    def _on_condition(self, message: cn.AcceptProposal | money.Secured, ctx: Context) -> None:
        """Begins when both the acceptance and the escrow are there."""
        job, terms = self.state.job, self.state.terms
        if job is None or terms is None or job.contract != message.contract:
            if isinstance(message, cn.AcceptProposal):
                reason = "the proposal has lapsed"
                ctx.tell(ctx.sender, cn.Failure(contract=message.contract, reason=reason))
        elif isinstance(message, money.Secured) and message.amount < job.price:
            self._fail(f"{message.amount} in escrow, the price is {job.price}", ctx)
        elif contracts.may_begin(job, message):
            self.state.test = replication.begin(
                ctx,
                self._standards,
                self.state.numbering,
                part=terms.part,
                value=terms.value,
                parts=dict(terms.parts),
                base_bpb=terms.base_bpb,
            )

    def _work_on(self, message: CampaignMessage, ctx: Context) -> None:
        """Hands a message to the test or the contract that it is about."""
        state = self.state
        if state.test is not None and replication.concerns(state.test, message, ctx.cause):
            self._pay(message)
            if replication.advance(ctx, state.test, message, self._standards, state.numbering):
                self._conclude(state.test, ctx)
        elif isinstance(message, money.Secured):
            self._on_condition(message, ctx)
        elif isinstance(message, cn.Overdue):
            self._on_overdue(message, ctx)
        else:
            campaign.decline(ctx, message)

    def _pay(self, message: CampaignMessage) -> None:
        """Keeps the books: what the treasury took is no longer there."""
        match message:
            case lease.Granted():
                self._spend(message.price)
            case money.Secured():
                self._spend(message.amount)
            case money.Denied():
                self.state.balance = message.balance
            case _:
                pass

    def _spend(self, amount: Credits) -> None:
        self.state.balance = Credits(max(0, self.state.balance - amount))

    def _conclude(self, test: Replication, ctx: Context) -> None:
        """Ends the review: the verdict goes to everybody concerned, a failure to the author."""
        job, terms = self.state.job, self.state.terms
        self.state.test = None
        if job is None or terms is None:
            ctx.note(f"the jobs of a cancelled review of {test.part} have ended")
        elif test.verdict is None:
            self._fail(test.reason, ctx)
        else:
            self.state.job = self.state.terms = None
            self._report(test, test.verdict, terms, job, ctx)

    def _report(
        self,
        test: Replication,
        verdict: Verdict,
        terms: tasks.ReplicateTerms,
        job: contracts.Job,
        ctx: Context,
    ) -> None:
        result = tasks.ReplicateResult(
            decision="accept" if verdict.decision == "accept" else "reject",
            gain_bpb=verdict.gain,
            gain_low_bpb=verdict.ci_low,
            gain_high_bpb=verdict.ci_high,
            n=verdict.n,
            reason=verdict.reason,
        )
        if result.decision == "accept":
            proposed = ship.Proposed(
                contract=job.contract,
                part=terms.part,
                value=terms.value,
                base=terms.base,
                author=job.initiator,
                gain_bpb=verdict.gain,
                gain_low_bpb=verdict.ci_low,
                gain_high_bpb=verdict.ci_high,
                n_replications=test.n_runs,
            )
            ctx.tell(self._integrator, proposed)
        inform = cn.InformResult(contract=job.contract, result=tasks.to_json(result))
        ctx.tell(job.initiator, inform)
        reviewed = finding.Reviewed(
            part=terms.part,
            value=terms.value,
            base=terms.base,
            decision=result.decision,
            gain_bpb=verdict.gain,
            reason=verdict.reason,
        )
        peers = [one for one in ctx.neighbours if one.rpartition("-")[0].endswith("researcher")]
        ctx.tell_all((*peers, self._director), reviewed)
        what = f"{terms.part} {value_tag(terms.part, terms.value)} of {job.initiator}"
        ctx.note(f"{result.decision} {what}: {verdict.reason}")

    def _on_unwanted(self, message: cn.RejectProposal | cn.Cancel, ctx: Context) -> None:
        state = self.state
        if state.job is None or state.job.contract != message.contract:
            return
        state.job = state.terms = None
        if isinstance(message, cn.Cancel):
            ctx.note(f"{message.contract} cancelled by its author: {message.reason}")
        if state.test is not None and replication.withdraw(
            ctx, state.test, self._standards, reason="cancelled by the author"
        ):
            state.test = None

    def _on_overdue(self, overdue: cn.Overdue, ctx: Context) -> None:
        """Its own timer: who has not been engaged by now is free."""
        job = self.state.job
        if job is not None and job.contract == overdue.contract and job.phase != "working":
            self._fail(f"{job.phase}, but never secured", ctx)

    def _fail(self, reason: str, ctx: Context) -> None:
        """Tells the author that there will be no verdict, and is idle again."""
        job = self.state.job
        self.state.job = self.state.terms = None
        if job is not None:
            ctx.note(f"{job.contract} not reviewed: {reason}")
            ctx.tell(job.initiator, cn.Failure(contract=job.contract, reason=reason))

"""Hiring: how the devops actor on duty has a colleague diagnose, and how that one is hired.

Protocol  ``comms/messages/contract_net.py`` with ``treasury.py``, both sides; the task is
          ``diagnose``, its terms are ``Terms``, its result is a ``Verdict``, each as JSON.
States    those of ``comms/contracts.py``. A participant proposes when nothing takes its attention,
          and its proposal counts as work until it is rejected.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms import contracts
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import incident
from swarm.comms.messages import treasury as money
from swarm.gpu.diagnosis import Verdict, diagnose
from swarm.gpu.posting import Case, NegotiationMessage, OperationsState, Posting, Terms
from swarm.kernel.message import ContractId
from swarm.kernel.role import Context
from swarm.units import Ticks

DIAGNOSE = "diagnose"
BIDDING_S = Ticks(5)
"""Time for proposals."""

_PATIENCE = 4
"""A winner has so many times the time of a diagnosis."""

Answer: TypeAlias = tuple[Case, Verdict | None]
"""An incident that was called for, and what came of it: None is nothing."""


class Hiring:
    """Both sides of the contract, while one message is handled.

    Args:
        posting: With whom, and for which fee.
        state: Calls and jobs.
        ctx: The role's context.
    """

    def __init__(self, posting: Posting, state: OperationsState, ctx: Context) -> None:
        self._posting, self._state, self._ctx = posting, state, ctx
        self._site = posting.site

    def receive(self, message: NegotiationMessage) -> Answer | None:
        """React to one message; returns the incident that this decides, if it does."""
        match message:
            case cn.CallForProposals():
                self._bid(message)
            case cn.Propose():
                if message.contract in self._state.calls:
                    contracts.collect(self._state.calls[message.contract], message)
            case cn.BiddingClosed():
                return self._award(message.contract)
            case cn.AcceptProposal():
                self._begin(message)
            case money.Secured():
                self._secured(message)
            case cn.RejectProposal() | cn.Cancel():
                if message.contract not in self._state.busy:
                    self._state.jobs.pop(message.contract, None)
            case cn.InformResult():
                return self._informed(message)
            case cn.Overdue() | money.Denied():
                return self._give_up(message.contract)
            case cn.Refuse():
                pass
            case _:
                assert_never(message)
        return None

    def call(self, case: Case) -> None:
        """Calls for somebody who diagnoses an incident."""
        state = self._state
        state.n_calls += 1
        case.stage = "calling"
        contract = ContractId(f"{self._ctx.me}/call-{state.n_calls}")
        terms = Terms(tuple(case.symptoms), case.attempts)
        state.called[contract] = case.contract
        state.calls[contract] = contracts.open_call(
            self._ctx,
            contract=contract,
            to=self._posting.colleagues,
            task=DIAGNOSE,
            terms=msgspec.json.encode(terms).decode(),
            max_price=self._site.fee,
            window=BIDDING_S,
        )

    def work_on(self, contract: ContractId) -> None:
        """Gives an incident this actor's attention."""
        self._state.busy.append(contract)
        due = incident.DiagnosisDue(contract=contract)
        self._ctx.after(Ticks(max(1, self._site.diagnosis_s)), due)

    def inform(self, contract: ContractId) -> None:
        """Tells the one who hired this actor what it found."""
        job = self._state.jobs.pop(contract)
        terms = msgspec.json.decode(job.terms, type=Terms)
        table = self._posting.policy.table
        verdict = diagnose(table, terms.symptoms, attempts=terms.attempts)
        result = msgspec.json.encode(verdict).decode()
        self._ctx.tell(job.initiator, cn.InformResult(contract=contract, result=result))

    def _bid(self, call: cn.CallForProposals) -> None:
        state, ctx = self._state, self._ctx
        if state.busy or state.jobs:
            reason = f"at work on {state.busy[0] if state.busy else min(state.jobs)}"
            ctx.tell(ctx.sender, cn.Refuse(contract=call.contract, reason=reason))
            return
        ends_at = Ticks(call.deadline + self._site.diagnosis_s)
        state.jobs[call.contract] = contracts.propose(
            ctx, call, to=ctx.sender, price=self._site.fee, ends_at=ends_at
        )

    def _begin(self, message: cn.AcceptProposal | money.Secured) -> None:
        job = self._state.jobs.get(message.contract)
        if job is not None and contracts.may_begin(job, message):
            self.work_on(message.contract)

    def _award(self, contract: ContractId) -> Answer | None:
        call, case = self._state.calls[contract], self._case_of(contract)
        if case is None:  # its run has ended
            for proposer in call.proposals:
                self._ctx.tell(proposer, cn.RejectProposal(contract=contract))
            return self._give_up(contract)
        if not contracts.award(self._ctx, call, treasury=self._posting.treasury):
            return self._give_up(contract)
        case.stage, case.by = "hired", call.winner
        return None

    def _secured(self, message: money.Secured) -> None:
        call = self._state.calls.get(message.contract)
        if call is None:
            self._begin(message)
        else:
            patience = Ticks(_PATIENCE * max(1, self._site.diagnosis_s))
            contracts.secured(self._ctx, call, patience=patience)

    def _informed(self, inform: cn.InformResult) -> Answer | None:
        call, case = self._state.calls.pop(inform.contract, None), self._case_of(inform.contract)
        if call is None:
            return None
        verdict = msgspec.json.decode(inform.result, type=Verdict)
        contracts.settle(self._ctx, call, treasury=self._posting.treasury, is_accepted=True)
        del self._state.called[inform.contract]
        return None if case is None else (case, verdict)

    def _give_up(self, contract: ContractId) -> Answer | None:
        """Nobody was found, could be paid, or informed in time."""
        call, case = self._state.calls.pop(contract, None), self._case_of(contract)
        if call is None:
            return None
        if call.winner:
            self._ctx.tell(call.winner, cn.Cancel(contract=contract, reason="given up"))
        contracts.settle(self._ctx, call, treasury=self._posting.treasury, is_accepted=False)
        del self._state.called[contract]
        return None if case is None else (case, None)

    def _case_of(self, contract: ContractId) -> Case | None:
        return self._state.cases.get(self._state.called.get(contract, ContractId("")))

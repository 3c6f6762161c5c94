"""Operations: how devops keep runs alive, from an alarm to a run that computes again.

One of them has the duty: alarms come to it, it keeps the inventory and decides. An incident takes
attention for its diagnosis and for the nodes it leaves behind; an alarm that finds the one on duty
at work is put to its colleagues (``gpu/hiring.py``), and waits if none of them is free. What a
diagnosis leads to is the table's affair (``gpu/diagnosis.py``), which nodes are fit is the
inventory's (``gpu/inventory.py``).

Protocol  ``comms/messages/incident.py``.
States    of an incident: waiting -> diagnosing, or waiting -> calling -> hired (queued if there is
          nobody); then, as the verdict has it, human and testing; short (no spare node) ->
          restarting; closed when the run computes.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, assert_never

from swarm.comms.messages import incident
from swarm.comms.messages import treasury as money
from swarm.gpu.diagnosis import Action, Verdict, diagnose
from swarm.gpu.effective_time import best_interval_s
from swarm.gpu.hiring import Hiring
from swarm.gpu.inventory import Inventory
from swarm.gpu.posting import (
    Case,
    NegotiationMessage,
    OperationsMessage,
    OperationsState,
    Posting,
)
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import DAY, Ticks

_FIRST: dict[Action, Literal["reboot", "test", "repair"]] = {
    "retry": "reboot",
    "reboot": "reboot",
    "replace": "test",
    "drain": "test",
    "sweep": "repair",  # these have failed a test, or a human has seen them
    "roll_back": "repair",
    "human": "repair",
}
"""What is done first with a node that leaves its gang."""


class Desk:
    """A DevOps actor's posting, while one message is handled.

    Args:
        posting: Where it works.
        state: What it remembers.
        ctx: The role's context.
    """

    def __init__(self, posting: Posting, state: OperationsState, ctx: Context) -> None:
        self._posting, self._state, self._ctx = posting, state, ctx
        self._site, self._policy = posting.site, posting.policy
        self._inventory = Inventory(
            hall=posting.hall,
            treasury=posting.treasury,
            site=posting.site,
            evicts_lemons=posting.policy.evicts_lemons,
            state=state.inventory,
            ctx=ctx,
        )
        self._hiring = Hiring(posting, state, ctx)

    def start(self) -> None:
        """Draws the budget."""
        if self._posting.is_on_duty:
            grant = money.Grant(
                to=self._ctx.me, amount=self._posting.budget, reason="budget of operations"
            )
            self._ctx.tell(self._posting.treasury, grant)

    def receive(self, message: OperationsMessage) -> None:
        """React to one message."""
        match message:
            case incident.Alarm():
                self._open(message)
            case incident.DiagnosisDue():
                self._diagnosed(message.contract)
            case incident.HumanDue():
                self._examine(self._state.cases.get(message.contract), is_thorough=True)
            case incident.FreeDue():
                self._state.busy.remove(message.contract)
                self._next()
            case incident.Examined():
                self._tested(message)
            case incident.Rebooted():
                self._inventory.test(message.node)
            case incident.Delivered():
                self._inventory.delivered(message)
                self._help_short()
            case incident.Running():
                self._close(message)
            case incident.Ended():
                self._forget(message.run)
            case money.Credited():
                pass
            case money.Denied() if message.contract in self._state.inventory.orders:
                self._inventory.denied(message.contract)
            case _:
                self._hired(message)

    def _open(self, alarm: incident.Alarm) -> None:
        """Takes an alarm up, or adds its symptoms to the incident that they belong to."""
        view = self._state.runs[alarm.run]
        known = self._state.cases.get(alarm.contract)
        if view.is_over:
            return
        if known is not None:
            known.symptoms += alarm.symptoms
            return
        is_back = view.closed_at >= 0 and self._ctx.now <= view.closed_at + self._site.again_s
        doubtful = view.last_action in ("retry", "sweep", "roll_back")
        view.attempts = view.attempts + 1 if is_back and doubtful else 0
        view.interruptions += 1
        self._state.cases[alarm.contract] = Case(
            contract=alarm.contract,
            run=alarm.run,
            symptoms=list(alarm.symptoms),
            attempts=view.attempts,
        )
        self._state.backlog.append(alarm.contract)
        self._next()

    def _next(self) -> None:
        """Takes up the incident that has waited longest, or looks for somebody who does."""
        state = self._state
        while state.backlog:
            case = state.cases.get(state.backlog[0])
            if case is not None and not state.busy:
                case.stage, case.by = "diagnosing", self._ctx.me
                self._hiring.work_on(case.contract)
            elif case is not None and case.stage == "waiting" and self._posting.colleagues:
                self._hiring.call(case)
            elif case is not None:
                return
            state.backlog.pop(0)

    def _hired(self, message: NegotiationMessage) -> None:
        """Acts on what came of a call: a colleague's verdict, or nothing."""
        answer = self._hiring.receive(message)
        if answer is None:
            return
        case, verdict = answer
        if verdict is None:
            case.stage = "queued"
            self._state.backlog.insert(0, case.contract)
            self._next()
            return
        # Symptoms that came meanwhile may name more nodes.
        own = self._verdict(case.symptoms, case.attempts)
        self._act(case, own if len(own.nodes) > len(verdict.nodes) else verdict)

    def _diagnosed(self, contract: ContractId) -> None:
        """The own look at the symptoms is over: for myself, or for who hired me."""
        due = incident.FreeDue(contract=contract)
        self._ctx.after(Ticks(max(1, self._site.aftercare_s)), due)
        if contract in self._state.jobs:
            self._hiring.inform(contract)
            return
        case = self._state.cases.get(contract)
        if case is not None and case.stage == "diagnosing":
            self._act(case, self._verdict(case.symptoms, case.attempts))

    def _verdict(self, symptoms: Sequence[incident.Symptom], attempts: int) -> Verdict:
        return diagnose(self._policy.table, symptoms, attempts=attempts)

    def _act(self, case: Case, verdict: Verdict) -> None:
        case.verdict = verdict
        self._ctx.note(
            f"{case.contract} of {case.run}: {verdict.diagnosis}, {verdict.action}"
            f" (attempt {case.attempts + 1}, nodes {list(verdict.nodes)})"
        )
        nodes = self._inventory.in_service(verdict.nodes)
        match verdict.action:
            case "retry":
                self._inventory.blame(nodes)
                self._replace(case, [node for node in nodes if self._inventory.is_lemon(node)])
            case "reboot" | "replace" | "drain":
                self._inventory.blame(nodes)
                self._replace(case, nodes)
            case "sweep" | "roll_back":
                self._examine(case, is_thorough=False)
            case "human":
                case.stage, case.is_by_human = "human", True
                wait = self._ctx.rng("human").exponential(self._site.human_s)
                due = incident.HumanDue(contract=case.contract)
                self._ctx.after(Ticks(max(1, round(wait))), due)
            case _:
                assert_never(verdict.action)

    def _examine(self, case: Case | None, *, is_thorough: bool) -> None:
        if case is None:
            return
        case.stage = "testing"
        test = incident.Examine(contract=case.contract, run=case.run, is_thorough=is_thorough)
        self._ctx.tell(self._posting.hall, test)

    def _tested(self, report: incident.Examined) -> None:
        if report.node != incident.NO_NODE:
            self._inventory.tested(report)
            self._help_short()
            return
        case = self._state.cases.get(report.contract)
        if case is not None:
            nodes = self._inventory.in_service(report.failed)
            self._inventory.blame(nodes)
            self._replace(case, nodes)

    def _replace(self, case: Case, leave: Sequence[int]) -> None:
        """Restarts the run without these nodes, once there are spares for them."""
        case.leave = tuple(leave)
        join = self._inventory.take_spares(len(case.leave))
        if join is None:
            case.stage = "short"
            self._ctx.note(
                f"{case.run} waits: {len(case.leave)} nodes to replace,"
                f" {len(self._state.inventory.spares)} spares"
            )
            return
        assert case.verdict is not None
        case.stage = "restarting"
        action = case.verdict.action
        kinds = {one.kind for one in case.symptoms}
        order = incident.Restart(
            contract=case.contract,
            run=case.run,
            leave=case.leave,
            join=join,
            checkpoint=_checkpoint(kinds),
            interval_s=self._interval_s(case.run),
            delay_s=self._site.swap_s if join else 0,
        )
        self._ctx.tell(case.run, order)
        for node in case.leave:
            self._inventory.withdraw(node, first=_FIRST[action])

    def _help_short(self) -> None:
        """A node came back: who waits for one, in the order of their alarms?"""
        for case in list(self._state.cases.values()):
            if case.stage == "short":
                self._replace(case, case.leave)

    def _interval_s(self, run: ActorId) -> int:
        """Returns the best checkpoint interval for the failures seen; 0 leaves it as it is."""
        if not self._policy.chooses_interval:
            return 0
        view = self._state.runs[run]
        assumed = self._policy.assumed_per_1000_node_days / 1_000 * view.nodes
        days = self._ctx.now / DAY + 1 / assumed
        per_day = (view.interruptions + 1) / days
        return best_interval_s(per_day=per_day, checkpoint_s=self._site.checkpoint_s)

    def _close(self, running: incident.Running) -> None:
        case = self._state.cases.pop(running.contract, None)
        if case is None or case.verdict is None:
            return
        view = self._state.runs[case.run]
        view.closed_at, view.last_action = self._ctx.now, case.verdict.action
        closed = incident.Closed(
            contract=case.contract,
            run=case.run,
            diagnosis=case.verdict.diagnosis,
            action=case.verdict.action,
            is_by_human=case.is_by_human,
            by=case.by,
        )
        self._ctx.tell(self._posting.monitor, closed)

    def _forget(self, run: ActorId) -> None:
        self._state.runs[run].is_over = True
        cases = self._state.cases
        for contract in [c for c, case in cases.items() if case.run == run]:
            del cases[contract]


def _checkpoint(kinds: AbstractSet[str]) -> Literal["save", "last", "clean"]:
    """Returns where to start from: corruption may be saved already, a slow run can still save."""
    if "loss_not_finite" in kinds:
        return "clean"
    return "save" if kinds <= {"throughput_low", "hot"} else "last"

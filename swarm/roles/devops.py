"""DevOps: sees the symptoms of jobs that ended badly and of nodes that fail, and says what to do.

Protocol  ``comms/messages/ops.py``, on duty; the broker that reported passes the advice on. With a
          posting also ``incident.py``, ``contract_net.py`` and ``treasury.py``: see
          ``gpu/operations.py``, which this role runs.
States    an incident of a lease waits from its arrival to ``TriageDue`` one tick later. All that
          have come are counted before the first is diagnosed, so the order of arrival does not
          matter. Those of an incident of nodes stand in ``gpu/operations.py``.
Asks      nobody.
Raises    ``ProtocolError`` for alarms and the like if it has no posting.

It never learns how a job was specified, only how the failure reads. A decision table says what that
means; where the machine may be at fault as well, a GPU on which several holders failed is suspected
first. That is a guess: it does not see how often a GPU did well.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, assert_never

import msgspec

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, incident, lease, need, ops, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import ProtocolError, UsageError
from swarm.gpu.operations import Desk
from swarm.gpu.posting import OperationsMessage, OperationsState, Posting
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.units import HOUR, Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | ops.Incident | ops.TriageDue | ops.BurnInDue | OperationsMessage
)  # fmt: skip
Diagnosis: TypeAlias = Literal["diverged", "too_large", "bad_specification", "hardware", "unknown"]
Action: TypeAlias = Literal["lower_rate", "shrink", "abandon", "retry"]


class Rule(NamedTuple):
    """One row of the decision table: what a failure means whose text begins with the symptom."""

    symptom: str
    diagnosis: Diagnosis
    action: Action
    may_be_hardware: bool = False
    """Whether a broken GPU could look the same."""


TABLE = (
    Rule("invalid", "bad_specification", "abandon"),
    Rule("missing", "bad_specification", "abandon"),
    Rule("limit", "too_large", "shrink"),
    Rule("diverged", "diverged", "lower_rate", may_be_hardware=True),
    Rule("", "unknown", "retry", may_be_hardware=True),
)
"""The kinds of ``work.JobFailed``, those first that leave the least doubt."""

SUSPICIOUS_HOLDERS = 3
"""A GPU on which this many different holders failed is called broken."""


class Commission(NamedTuple):
    """A new node, to be tested before anybody leases it."""

    broker: ActorId
    node: str


class Report(msgspec.Struct, frozen=True):
    """An incident, and the broker who wants to hear about it."""

    broker: ActorId
    incident: ops.Incident


class DevOpsState(msgspec.Struct):
    """What it has seen, and what it has yet to look at."""

    incidents: int = 0
    failures_by_gpu: dict[str, dict[ActorId, int]] = {}
    """Incidents by GPU and holder, where the GPU might have been at fault."""
    tray: list[Report] = []
    operations: OperationsState | None = None
    """What it remembers of nodes and long runs, if it has a posting."""


class DevOps:
    """On duty for whatever the broker reports, and for the nodes of a site.

    Args:
        posting: The site that it minds; None for none.
        operations: What it knows of that site at the beginning; required with a posting.
        table: Symptoms to diagnoses. The first row that fits any failure of an incident decides;
            the last row must fit everything.
        suspicious_holders: How many different holders must fail on a GPU before it is suspected.
        commissions: Nodes that it burns in at the start, before they can be leased.
        burn_in: How long that takes.

    Raises:
        UsageError: If the last row does not fit everything.
    """

    def __init__(
        self,
        *,
        table: Sequence[Rule] = TABLE,
        suspicious_holders: int = SUSPICIOUS_HOLDERS,
        posting: Posting | None = None,
        operations: OperationsState | None = None,
        commissions: Sequence[Commission] = (),
        burn_in: Ticks = HOUR,
    ) -> None:
        if not table or table[-1].symptom:
            raise UsageError(what="the last row of a decision table needs the symptom ''")
        self._table = tuple(table)
        self._suspicious_holders = suspicious_holders
        self._posting = posting
        self._commissions, self._burn_in = tuple(commissions), burn_in
        self.state = DevOpsState(operations=operations)

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case ops.BurnInDue():
                for broker, node in self._commissions:
                    ctx.tell(broker, lease.NodeBack(node=node))
                    ctx.note(f"{node} of {broker} has stood its test and can be leased")
            case work.Start():
                self._commission(ctx)
                if self._posting is not None:
                    self._desk(message, ctx).start()
            case need.Announced() | ship.Announced() | finding.Trial() | finding.Reviewed():
                pass
            case ops.Incident():
                if not self.state.tray:
                    ctx.after(Ticks(1), ops.TriageDue())
                self.state.tray.append(Report(ctx.sender, message))
            case ops.TriageDue():
                self._triage(ctx)
            case (
                incident.Alarm() | incident.DiagnosisDue() | incident.HumanDue()
                | incident.FreeDue() | incident.Examined() | incident.Rebooted()
                | incident.Delivered() | incident.Running() | incident.Ended()
                | cn.CallForProposals() | cn.Propose() | cn.Refuse() | cn.AcceptProposal()
                | cn.RejectProposal() | cn.InformResult() | cn.Cancel() | cn.BiddingClosed()
                | cn.Overdue() | money.Secured() | money.Denied() | money.Credited()
            ):  # fmt: skip
                self._desk(message, ctx).receive(message)
            case _:
                assert_never(message)

    def _commission(self, ctx: Context) -> None:
        """Takes new nodes out of the pool for as long as they are tested."""
        for broker, node in self._commissions:
            ctx.tell(broker, lease.NodeLost(node=node))
        if self._commissions:
            ctx.after(self._burn_in, ops.BurnInDue())

    def _desk(self, message: Inbox, ctx: Context) -> Desk:
        if self._posting is None or self.state.operations is None:
            raise ProtocolError(role="DevOps", state="without a posting", message=message)
        return Desk(self._posting, self.state.operations, ctx)

    def _triage(self, ctx: Context) -> None:
        reports, self.state.tray = sorted(self.state.tray, key=msgspec.json.encode), []
        for report in reports:
            self._count(report.incident)
        for report in reports:
            self._diagnose(report, ctx)

    def _count(self, incident: ops.Incident) -> None:
        self.state.incidents += 1
        rule, _ = self._look_up(incident)
        if rule.may_be_hardware:
            for gpu in incident.gpus:
                seen = self.state.failures_by_gpu.setdefault(gpu, {})
                seen[incident.holder] = seen.get(incident.holder, 0) + 1

    def _diagnose(self, report: Report, ctx: Context) -> None:
        incident = report.incident
        rule, symptom = self._look_up(incident)
        diagnosis, action, reason = rule.diagnosis, rule.action, symptom
        suspects = self._suspects(incident) if rule.may_be_hardware else []
        if suspects:
            holders = len(self.state.failures_by_gpu[suspects[0]])
            diagnosis, action = "hardware", "retry"
            reason = f"{holders} holders failed on {suspects[0]}; {symptom}"
        ctx.note(f"{incident.contract} of {incident.holder}: {diagnosis}, {action} ({reason})")
        advice = ops.Advice(
            contract=incident.contract, diagnosis=diagnosis, action=action, reason=reason
        )
        ctx.tell(report.broker, advice)

    def _look_up(self, incident: ops.Incident) -> tuple[Rule, str]:
        """Returns the row that decides, and the first failure that it fits."""
        for rule in self._table:
            for failure in incident.failures:
                if failure.startswith(rule.symptom):
                    return rule, failure
        return self._table[-1], "no symptom"

    def _suspects(self, incident: ops.Incident) -> list[str]:
        """Returns the suspected GPUs of the gang, the most suspicious first."""
        holders = {gpu: len(self.state.failures_by_gpu.get(gpu, ())) for gpu in incident.gpus}
        suspected = (gpu for gpu in holders if holders[gpu] >= self._suspicious_holders)
        return sorted(suspected, key=lambda gpu: (-holders[gpu], gpu))

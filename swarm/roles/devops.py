"""DevOps: sees the symptoms of jobs that ended badly, and says what to do.

Protocol  ``comms/messages/ops.py``, on duty; the broker that reported passes the advice on.
States    an incident waits from its arrival to ``TriageDue`` one tick later. All that have come are
          counted before the first is diagnosed, so the order of arrival does not matter.
Asks      nobody.
Raises    nothing.

It never learns how a job was specified, only how the failure reads. A decision table says what that
means; where the machine may be at fault as well, a GPU on which several holders failed is suspected
first. That is a guess: it does not see how often a GPU did well.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, assert_never

import msgspec

from swarm.comms.messages import finding, need, ops, ship, work
from swarm.errors import UsageError
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.units import Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | ops.Incident | ops.TriageDue
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


class DevOps:
    """On duty for whatever the broker reports.

    Args:
        table: Symptoms to diagnoses. The first row that fits any failure of an incident decides;
            the last row must fit everything.
        suspicious_holders: How many different holders must fail on a GPU before it is suspected.

    Raises:
        UsageError: If the last row does not fit everything.
    """

    def __init__(
        self, *, table: Sequence[Rule] = TABLE, suspicious_holders: int = SUSPICIOUS_HOLDERS
    ) -> None:
        if not table or table[-1].symptom:
            raise UsageError(what="the last row of a decision table needs the symptom ''")
        self._table = tuple(table)
        self._suspicious_holders = suspicious_holders
        self.state = DevOpsState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case (
                work.Start() | need.Announced() | ship.Announced()
                | finding.Trial() | finding.Reviewed()
            ):  # fmt: skip
                pass
            case ops.Incident():
                if not self.state.tray:
                    ctx.after(Ticks(1), ops.TriageDue())
                self.state.tray.append(Report(ctx.sender, message))
            case ops.TriageDue():
                self._triage(ctx)
            case _:
                assert_never(message)

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

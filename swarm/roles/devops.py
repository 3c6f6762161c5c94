"""DevOps: sees the symptoms of jobs that ended badly, and says what to do.

Protocol  ``comms/messages/ops.py``, on duty.
States    none; it remembers how often each GPU was involved, and with how many holders.
Asks      nobody.
Raises    nothing.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, assert_never

import msgspec

from swarm.comms.messages import need, ops, ship, work
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context

Inbox: TypeAlias = work.Start | need.Announced | ship.Announced | ops.Incident
Diagnosis: TypeAlias = Literal["diverged", "too_large", "bad_specification", "hardware", "unknown"]
Action: TypeAlias = Literal["lower_rate", "shrink", "abandon", "retry"]


class Rule(NamedTuple):
    """One row of the decision table: the first whose symptom begins a failure's text holds."""

    symptom: str
    diagnosis: Diagnosis
    action: Action


TABLE = (
    Rule("diverged", "diverged", "lower_rate"),
    Rule("limit", "too_large", "shrink"),
    Rule("invalid", "bad_specification", "abandon"),
    Rule("missing", "bad_specification", "abandon"),
    Rule("", "unknown", "retry"),
)

SUSPICIOUS_HOLDERS = 3
"""A GPU on which this many different holders failed for unknown reasons is called broken."""


class DevOpsState(msgspec.Struct):
    """What it has seen."""

    incidents: int = 0
    holders_by_gpu: dict[str, list[ActorId]] = {}


class DevOps:
    """On duty for whatever the broker reports.

    Args:
        table: Symptoms to diagnoses, first match wins; the last row must match everything.
    """

    def __init__(self, *, table: Sequence[Rule] = TABLE) -> None:
        self._table = tuple(table)
        self.state = DevOpsState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case work.Start() | need.Announced() | ship.Announced():
                pass
            case ops.Incident():
                self._diagnose(message, ctx)
            case _:
                assert_never(message)

    def _diagnose(self, incident: ops.Incident, ctx: Context) -> None:
        self.state.incidents += 1
        symptom = incident.failures[0] if incident.failures else ""
        rule = next(rule for rule in self._table if symptom.startswith(rule.symptom))
        diagnosis, action = rule.diagnosis, rule.action
        if diagnosis == "unknown" and self._is_suspicious(incident):
            diagnosis = "hardware"
        reason = f"{symptom or 'no symptom'}; {len(incident.failures)} failed"
        ctx.note(f"{incident.contract} of {incident.holder}: {diagnosis}, {action} ({reason})")
        advice = ops.Advice(
            contract=incident.contract, diagnosis=diagnosis, action=action, reason=reason
        )
        ctx.tell(incident.holder, advice)

    def _is_suspicious(self, incident: ops.Incident) -> bool:
        worst = 0
        for gpu in incident.gpus:
            holders = self.state.holders_by_gpu.setdefault(gpu, [])
            if incident.holder not in holders:
                holders.append(incident.holder)
            worst = max(worst, len(holders))
        return worst >= SUSPICIOUS_HOLDERS

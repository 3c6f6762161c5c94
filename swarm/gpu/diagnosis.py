"""Diagnosis: from what a run shows to what one does about it, by a table that can be replaced.

The table knows symptoms, never causes, and some causes look alike: an XID 31 is usually the
application's fault and sometimes a broken GPU, a silent hang may be the switch, a node or the
library. So the first guess is the cheap one, and each time that the trouble comes back at once
(``attempts``) the next row is dearer: start again, test the whole gang, call a human.

Source: the order "retry, evict what is named, test while stopped, roll back" is that of ByteRobust
(arXiv:2509.16293); the rows are ours.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from swarm.comms.messages import incident
from swarm.comms.messages.incident import NO_NODE
from swarm.errors import UsageError

Action: TypeAlias = Literal["retry", "reboot", "replace", "drain", "sweep", "roll_back", "human"]
"""What to do with the run and with the nodes that the symptoms name.

``retry``: start again on the same nodes. ``reboot`` and ``replace``: go on with spares at once; the
node is rebooted or not, tested, and repaired if it fails. ``drain``: as ``replace``; the run can
still save a checkpoint. ``sweep``: test the whole gang and have repaired what fails. ``roll_back``:
that, and go back to a checkpoint from before the trouble. ``human``: wait for one. Whatever the
action, a run whose loss is no number goes back to a clean checkpoint.
"""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row: it fits if the run shows the symptom and this is not too early an attempt."""

    kind: str = ""
    """Kind of a symptom; empty fits any."""
    codes: tuple[int, ...] = ()
    """XIDs; empty fits any value."""
    attempts: int = 0
    """How often, at least, the trouble has come back at once."""
    diagnosis: str
    action: Action


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is thought to be wrong, what to do, and the nodes that are named."""

    diagnosis: str
    action: Action
    nodes: tuple[int, ...] = ()


MEMORY = (48, 63, 64, 94, 95)
APPLICATION = (13, 31, 43, 45)

TABLE = (
    Rule(kind="xid", codes=(74, 79), diagnosis="gpu", action="replace"),
    Rule(kind="xid", codes=MEMORY, diagnosis="gpu_memory", action="reboot"),
    Rule(kind="xid", codes=(119, 120), diagnosis="gpu_system_processor", action="reboot"),
    Rule(kind="host_notice", diagnosis="maintenance", action="reboot"),
    Rule(kind="link_down", diagnosis="network", action="replace"),
    Rule(kind="disk_error", diagnosis="disk", action="replace"),
    Rule(kind="machine_check", diagnosis="host", action="replace"),
    Rule(kind="heartbeat_lost", diagnosis="host", action="reboot"),
    Rule(kind="hot", diagnosis="cooling", action="drain"),
    Rule(attempts=3, diagnosis="unknown", action="human"),
    Rule(kind="loss_not_finite", diagnosis="corruption", action="roll_back"),
    Rule(kind="throughput_low", diagnosis="slow_node", action="sweep"),
    Rule(kind="xid", codes=APPLICATION, attempts=1, diagnosis="gpu", action="replace"),
    Rule(kind="xid", codes=APPLICATION, diagnosis="application", action="retry"),
    Rule(attempts=1, diagnosis="hidden_node", action="sweep"),
    Rule(kind="traffic_stopped", diagnosis="hang", action="retry"),
    Rule(kind="exited", diagnosis="application", action="retry"),
    Rule(diagnosis="unknown", action="human"),
)

HUMAN_ONLY = (Rule(diagnosis="unknown", action="human"),)
"""A site without devops: whatever happens waits for a human."""


def diagnose(
    table: Sequence[Rule], symptoms: Sequence[incident.Symptom], *, attempts: int
) -> Verdict:
    """Looks the symptoms up; the first row that fits decides.

    Args:
        table: The last row fits everything (``expect_table``).
        symptoms: What the run shows, in any order.
        attempts: How often the trouble has come back at once.

    Returns:
        The verdict. It names every node that some symptom names, not only those of the row: when
        many nodes fail together, all of them have to go.
    """
    for rule in table:
        if attempts >= rule.attempts and any(_fits(rule, one) for one in symptoms):
            named = sorted({one.node for one in symptoms if one.node != NO_NODE})
            return Verdict(diagnosis=rule.diagnosis, action=rule.action, nodes=tuple(named))
    return Verdict(diagnosis=table[-1].diagnosis, action=table[-1].action)


def expect_table(table: Sequence[Rule]) -> None:
    """Raises ``UsageError`` for a table whose last row does not fit everything."""
    if not table or (table[-1].kind, table[-1].codes, table[-1].attempts) != ("", (), 0):
        raise UsageError(
            what="the last row of a decision table must fit everything: no kind, codes or attempts"
        )


def read_table(text: str | bytes) -> tuple[Rule, ...]:
    """Reads a table from JSON: a list of objects with the fields of ``Rule``.

    Raises:
        UsageError: If it is not that, or its last row does not fit everything.
    """
    try:
        table = msgspec.json.decode(text, type=tuple[Rule, ...])
    except msgspec.DecodeError as wrong:
        raise UsageError(
            what=f"a decision table is a JSON list of rows with kind, codes, attempts, diagnosis"
            f" and action: {wrong}"
        ) from wrong
    expect_table(table)
    return table


def _fits(rule: Rule, symptom: incident.Symptom) -> bool:
    if rule.kind and rule.kind != symptom.kind:
        return False
    return not rule.codes or round(symptom.value) in rule.codes

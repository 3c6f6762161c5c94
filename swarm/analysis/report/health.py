"""What went wrong and what was done about it, and the closing table, in the report."""

from collections.abc import Sequence
from typing import Any

from swarm.analysis.report.markup import Child, Markup, element, joined, note, table
from swarm.analysis.report.view import View, empty, section
from swarm.analysis.wording import counted
from swarm.runtime.console import clock

MAX_ROWS = 60
"""Failures that are listed one by one, the latest."""

_COUNTS = """
select 'jobs that failed' as what, count(*) as n from jobs where result = 'work.job_failed'
union all
select 'contracts ' || outcome, count(*) from contracts
where outcome in ('failed', 'overdue', 'cancelled', 'rejected', 'denied', 'no_proposal')
group by outcome
union all
select 'leases ' || outcome, count(*) from leases
where outcome in ('refused', 'expired', 'withdrawn') group by outcome
union all
select 'parts rolled back', count(*) from parts where event = 'rollback'
union all
select 'proposed swaps declined', count(distinct payload) from told where kind = 'ship.declined'
union all
select 'incidents reported', count(distinct payload) from told where kind = 'ops.incident'
union all
select 'advice given', count(distinct payload) from told where kind = 'ops.advice'
order by 1
"""
_EVENTS = """
select * from (
    select due, actor as who, 'job failed: ' || tag as what,
        coalesce(answer->>'kind', '') || ': ' || coalesce(answer->>'reason', '') as detail
    from jobs where result = 'work.job_failed'
    union all
    select min(due), min(sender), kind,
        coalesce(payload->>'part', payload->>'diagnosis', payload->>'holder', '') || ': '
        || coalesce(payload->>'reason', payload->>'failures', '')
    from told where kind in (
        'ship.declined', 'ship.rolled_back', 'ops.incident', 'ops.advice', 'contract_net.failure',
        'contract_net.cancel', 'lease.refused'
    ) group by kind, payload
) order by due desc, who, what, detail limit $most
"""


def health_section(view: View) -> Markup:
    """Lists failures and repairs."""
    counts = [(row["what"], row["n"]) for row in view.run.sql(_COUNTS).to_dicts() if row["n"]]
    if not counts:
        return section(
            "health", "Failures and repairs", "", empty("Nothing failed that the log tells of.")
        )
    events = view.run.sql(_EVENTS, {"most": MAX_ROWS}).to_dicts()
    rows = [(clock(row["due"]), row["who"], row["what"], _cut(row["detail"])) for row in events]
    listing = joined(
        element("h3", f"The latest {len(rows)}" if len(rows) == MAX_ROWS else "One by one"),
        table(("when", "who", "what", "detail"), rows),
    )
    return section(
        "health",
        "Failures and repairs",
        "",
        table(("", "times"), [(what, f"{n:,}") for what, n in counts], numbers=(1,)),
        listing if rows else None,
    )


def closing_section(view: View) -> Markup:
    """Says what the run came to, as its own closing table does."""
    summary = view.run.manifest.get("summary", {})
    rows = [_change(entry) for entry in view.parts.to_dicts()]
    head = ("when", "part", "from", "to", "gain, bits per byte", "author", "evidence")
    ending = [text for text in (_ship(summary), _audit(summary)) if text]
    return section(
        "closing",
        "What it came to",
        "",
        table(head, rows) if rows else empty("No part of a ship was changed."),
        [element("p", text) for text in ending],
        note("Digests: control " + _digest(summary, "control") + ", payload "
             + _digest(summary, "payload") + ".") if summary.get("digest_payload") else None,
    )  # fmt: skip


def _change(entry: dict[str, Any]) -> Sequence[Child]:  # Any: values of a row
    gain = "rolled back"
    if entry["event"] == "swap":
        gain = (
            f"{entry['gain_bpb']:.3f} [{entry['gain_low_bpb']:.3f}, {entry['gain_high_bpb']:.3f}]"
        )
    runs = counted(entry["n_replications"], "run") if entry["n_replications"] is not None else ""
    link = element("a", entry["part"], href=f"#part-{entry['part']}")
    return (
        clock(entry["tick"]),
        link,
        str(entry["old_hash"])[:8],
        str(entry["new_hash"])[:8],
        gain,
        entry["author"] or entry["reason"] or "",
        runs,
    )


def _ship(summary: dict[str, Any]) -> str:  # Any: JSON
    if summary.get("parts_left_of_original") is None:
        return ""
    text = f"{summary['swaps']} swaps, {summary['rollbacks']} rollbacks,"
    text += f" {summary['parts_left_of_original']} parts are the original"
    if summary.get("sealed_bpb_final") is not None:
        first, last = summary["sealed_bpb_generation_0"], summary["sealed_bpb_final"]
        text += f"; sealed score {first:.3f} -> {last:.3f} bits per byte"
    return text + "."


def _audit(summary: dict[str, Any]) -> str:  # Any: JSON
    audit = summary.get("audit")
    if not audit or "gain_bpb" not in audit:
        return ""
    return (
        f"Audit: generation 0 {audit['generation_0_bpb']:.3f}, final {audit['final_bpb']:.3f},"
        f" gain {audit['gain_bpb']:.3f} \u00b1 {audit['standard_error_bpb']:.3f} bits per byte"
        f" (one standard error; {audit['seeds']} fresh seeds an arm)."
    )


def _digest(summary: dict[str, Any], which: str) -> str:  # Any: JSON
    return str(summary.get(f"digest_{which}", ""))[:16]


def _cut(text: str | None) -> str:
    return (text or "")[:200]

"""The ship in the report: which part is whose work, what is left, and a page for each part."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from swarm.analysis.report.charts import (
    Frame,
    Series,
    chart,
    colour_class,
    legend,
    lines,
    svg,
    text,
)
from swarm.analysis.report.markup import Markup, details, element, joined, note, table, time_ticks
from swarm.analysis.report.view import View, empty, section
from swarm.analysis.subject import MIN_PREFIX
from swarm.analysis.why import why
from swarm.analysis.wording import counted
from swarm.pipeline.parts import PARTS
from swarm.runtime.console import clock

MAX_STORIES = 20
"""Swaps whose chain of causes is told in the report; the command tells any."""

_LAUNCHED = """
select payload from told where kind = 'ship.announced' order by seq limit 1
"""
_TRIALS = """
select part, count(*) as n, count(*) filter (failed <> '') as failed, max(gain) as best,
    list(due order by seq) as dues, list(gain order by seq) as gains
from (
    select payload->>'part' as part, payload->>'failed' as failed,
        try_cast(payload->>'gain_bpb' as double) as gain, min(due) as due, min(seq) as seq
    from told where kind = 'finding.trial' group by payload
) group by part
"""
_VERDICTS = """
select part, decision, count(*) as n from (
    select payload->>'part' as part, payload->>'decision' as decision
    from told where kind = 'finding.reviewed' group by payload
) group by all order by 1, 2
"""

_LANE = 24.0
_NAMES = 120.0

Change = dict[str, Any]  # Any: values of a row


def ship_section(view: View) -> Markup:
    """Draws the fourteen parts over virtual time, and how much of the original is left."""
    launched = _launched(view)
    if not launched:
        return section("ship", "The ship", "", empty("This run has no ship: nothing was launched."))
    changes = view.parts.to_dicts()
    by_role = sorted({view.role(one["author"]) for one in changes if one["author"]})
    names: dict[str, int | None] = {"the original": None}
    names |= {role: view.colours.get(role, 0) for role in by_role}
    return section(
        "ship",
        "The ship over virtual time",
        "Each row is a part of the ship. Grey is what the lab was launched with; a colour is the"
        " work of an actor of that role, from the instant it was swapped in.",
        legend(names),
        chart(_lanes(view, list(launched), changes)),
        element("h3", "How much of the original is left"),
        chart(_left(view, list(launched), changes)),
        None if changes else note("No part has been swapped in this run."),
    )


def parts_section(view: View) -> Markup:
    """Makes a page for each part: its lineage, the evidence, what was tried."""
    launched = _launched(view)
    if not launched:
        return joined()
    trials = {row["part"]: row for row in view.run.sql(_TRIALS).to_dicts()}
    verdicts: dict[str, list[str]] = {}
    for row in view.run.sql(_VERDICTS).to_dicts():
        words = f"{counted(row['n'], 'review')}: {row['decision']}"
        verdicts.setdefault(row["part"], []).append(words)
    stages = {part.name: (part.stage, part.changes) for part in PARTS}
    told = 0
    pages = []
    for part, value in launched.items():
        changes = view.parts.filter(pl.col("part") == part).to_dicts()
        page = _page(view, part, value, changes, trials.get(part), n_stories=MAX_STORIES - told)
        told += len(changes)
        stage, what = stages.get(part, ("", ""))
        swaps = sum(one["event"] == "swap" for one in changes)
        tried = trials[part]["n"] if part in trials else 0
        state = counted(swaps, "swap") if swaps else "the original"
        head = joined(
            element("b", part),
            f"  {stage}: {what}. ",
            element("span", f"{state}, {counted(tried, 'trial')}", class_="soft"),
        )
        reviews = element("p", "; ".join(verdicts[part]), ".") if part in verdicts else None
        pages.append(element("details", element("summary", head), page, reviews, id=f"part-{part}"))
    return section(
        "parts",
        "A page for each part",
        "Lineage, evidence and the chain of causes behind every swap. Gains are in bits per byte"
        " with the interval of the test that decided.",
        pages,
    )


def _launched(view: View) -> dict[str, str]:
    """Returns the values of all parts at the first announcement."""
    found = view.run.sql(_LAUNCHED)["payload"].to_list()
    return {str(part): str(value) for part, value in json.loads(found[0])["parts"]} if found else {}


def _lanes(view: View, parts: Sequence[str], changes: Sequence[Change]) -> Markup:
    frame = Frame(end=view.end, low=0, high=1, unit="")
    wide = frame.width - _NAMES - 16

    def x(tick: float) -> float:
        return _NAMES + wide * tick / max(1, view.end)

    shapes: list[Markup] = []
    for at, part in enumerate(parts):
        y = 6 + _LANE * at
        link = element("a", text(_NAMES - 8, y + 13, part, anchor="end"), href=f"#part-{part}")
        shapes.append(link)
        for start, end, change in _spans(part, changes, view.end):
            author = change["author"] if change else None
            tip = f"{part}: the original, until {clock(end)}"
            if change:
                tip = f"{part} {change['new_hash'][:8]} by {author}, from {clock(start)}"
                if change["gain_bpb"] is not None:
                    tip += f", gain {change['gain_bpb']:.3f} bits per byte"
            colour = view.colour(author) if change else None
            bar = element(
                "rect",
                x=x(start),
                y=y,
                width=max(1.0, x(end) - x(start)),
                height=_LANE - 6,
                rx=3,
                class_=colour_class("f", colour),
                data_tip=tip,
            )
            shapes.append(bar)
            if change and author and x(end) - x(start) > 7 * len(author) + 12:
                shapes.append(text(x(start) + 6, y + 13, author, class_="on"))
    floor = 6 + _LANE * len(parts)
    for tick, name in time_ticks(view.end):
        shapes.append(text(x(tick), floor + 14, name, anchor="middle", class_="t"))
    n = len({change["part"] for change in changes})
    label = f"{len(parts)} parts over virtual time, {n} of them changed"
    return svg(frame.width, floor + 20, *shapes, label=label)


def _spans(part: str, changes: Sequence[Change], end: int) -> list[tuple[int, int, Change | None]]:
    """Returns from when to when which version sailed; the original is None.

    A rollback brings back whoever had made the version before.
    """
    made: dict[str, Change | None] = {}
    spans: list[tuple[int, int, Change | None]] = []
    start, current = 0, None
    for change in changes:
        if change["part"] != part:
            continue
        made.setdefault(change["old_hash"], current)
        spans.append((start, change["tick"], current))
        start = change["tick"]
        current = change if change["event"] == "swap" else made.get(change["new_hash"])
        made[change["new_hash"]] = current
    spans.append((start, end, current))
    return spans


def _left(view: View, parts: Sequence[str], changes: Sequence[Change]) -> Markup:
    original = {part: spans[0][1] for part in parts if (spans := _spans(part, changes, view.end))}
    instants = sorted({0, *(change["tick"] for change in changes), view.end})
    points = []
    for tick in instants:
        left = sum(
            any(
                change is None and start <= tick and (tick < end or end == view.end)
                for start, end, change in _spans(part, changes, view.end)
            )
            for part in original
        )
        points.append((float(tick), 100.0 * left / len(parts), None, None))
    frame = Frame(end=view.end, low=0, high=100, unit="% of parts", height=150)
    line = Series(name="left of the original", colour=0, points=points)
    last = points[-1][1]
    return lines(frame, [line], label=f"{last:.0f} % of the original is left", is_step=True)


def _page(
    view: View,
    part: str,
    value: str,
    changes: Sequence[Change],
    trials: Change | None,
    *,
    n_stories: int,
) -> Markup:
    rows = [("day 0", "launched", "", "", "", "", element("code", _changed(None, value)))]
    for one in changes:
        gain = low_high = runs = ""
        if one["gain_bpb"] is not None:
            gain = f"{one['gain_bpb']:+.3f}"
            low_high = f"[{one['gain_low_bpb']:.3f}, {one['gain_high_bpb']:.3f}]"
            runs = counted(one["n_replications"], "run")
        by = f"{one['author']}, {one['replicator']}" if one["author"] else one["reason"]
        what = element("code", _changed(value, one["value"]) if one["value"] else "")
        rows.append((clock(one["tick"]), one["event"], by, gain, low_high, runs, what))
        value = one["value"] or value
    head = ("when", "event", "author, replicator", "gain", "95 %", "evidence", "value")
    head = (*head[:4], "interval", *head[5:])
    stories = []
    for one in changes[: max(0, n_stories)]:
        if one["event"] != "swap" or len(str(one["new_hash"])) < MIN_PREFIX:
            continue
        told = why(view.run, one["new_hash"], view.causes)
        summary = f"why {one['new_hash'][:8]}: the chain of causes"
        stories.append(details(summary, element("pre", "\n".join(told.lines()), tabindex="0")))
    return joined(table(head, rows, numbers=(3,)), _tried(view, part, trials), stories)


def _tried(view: View, part: str, trials: Change | None) -> Markup | None:
    """Draws what trials of the part gained, over virtual time."""
    if trials is None:
        return note("Nobody has told of a trial of this part.")
    points = [
        (tick, gain)
        for tick, gain in zip(trials["dues"], trials["gains"], strict=True)
        if gain is not None
    ][:1_000]
    if not points:
        return note("Every trial of this part failed.")
    gains = [gain for _, gain in points]
    pad = (max(*gains, 0.0) - min(*gains, 0.0)) * 0.08 or 0.1
    frame = Frame(
        end=view.end,
        low=min(*gains, 0.0) - pad,
        high=max(*gains, 0.0) + pad,
        unit="gain of a single trial, bits per byte",
        height=170,
    )
    dots = [
        element(
            "circle",
            cx=frame.x(tick),
            cy=frame.y(gain),
            r=3.5,
            class_=colour_class("f", 0),
            data_tip=f"{clock(tick)}: {gain:+.3f} bits per byte",
        )
        for tick, gain in points
    ]
    zero = element("line", x1=64, x2=frame.width - 16, y1=frame.y(0), y2=frame.y(0), class_="ax")
    failed = f", {trials['failed']} failed" if trials["failed"] else ""
    words = (
        f"{counted(trials['n'], 'trial')} of {part}{failed}, the best gained {trials['best']:+.3f}"
    )
    return joined(chart(frame.drawn(zero, *dots, label=words)), note(f"{words}."))


def _changed(old: str | None, new: str) -> str:
    """Returns the fields of a value that differ from the one before; all where none was before."""
    try:
        after = json.loads(new)
        before = json.loads(old) if old else None
    except ValueError:
        return new
    if not isinstance(after, dict) or not isinstance(before, dict):
        return new
    found = [
        f"{key}: {json.dumps(before.get(key))} -> {json.dumps(after.get(key))}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    return ", ".join(found) or "no field differs"

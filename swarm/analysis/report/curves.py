"""Quantities over virtual time in the report: benchmarks, GPUs, prices, messages."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

from swarm.analysis.intervals import mean_interval
from swarm.analysis.market import pool_size
from swarm.analysis.report.charts import (
    Frame,
    Series,
    chart,
    columns,
    legend,
    lines,
    numbers,
    stacked,
)
from swarm.analysis.report.markup import Markup, element, joined, note
from swarm.analysis.report.view import View, empty, section
from swarm.analysis.wording import span
from swarm.runtime.console import clock
from swarm.units import CREDIT, HOUR

MAX_LAYERS = 9
"""Kinds that a stacked picture tells apart; the rest is one layer."""

MAX_PRICES = 8
"""Tasks whose prices are drawn."""

_ANNOUNCED = """
select min(due) as due, payload from told where kind = 'ship.announced'
group by payload order by min(seq)
"""
_HELD = """
with ends as (select max(due) + 1 as over from messages),
bins as (select unnest(range(0, over, $wide)) as start from ends)
select start, a.role as role, sum(gpus * (
    least(coalesce(ended, over), start + $wide) - greatest(granted, start)
))::double / $wide as gpus
from bins, ends, leases l join actors a on a.actor = l.holder
where granted < start + $wide and coalesce(ended, over) > start
group by 1, 2 order by 1, 2
"""
_RATES = """
select due // $wide * $wide as start, split_part(kind, '.', 1) as protocol, count(*) as n
from messages group by 1, 2 order by 1, 2
"""
_PRICES = """
with priced as (
    select task, opened as tick, price::double / $credit as price from contracts
    where price is not null
    union all
    select 'GPU time, an hour of one GPU', granted,
        price::double / $credit / (gpus * duration) * $hour
    from leases where granted is not null and price is not null and gpus * duration > 0
)
select task, tick // $wide * $wide as start, median(price) as price, min(price) as low,
    max(price) as high, count(*) as n
from priced group by 1, 2 order by 1, 2
"""

_UNITS = {"bpb": "bits per byte", "nats": "nats", "rate": "share", "percent": "%"}


def benchmark_section(view: View) -> Markup:
    """Draws every score that announcements of the ship carry, with intervals over its seeds."""
    curves: dict[str, list[tuple[float, float, float | None, float | None]]] = defaultdict(list)
    for row in view.run.sql(_ANNOUNCED).iter_rows(named=True):
        for name, scores in _scores(json.loads(row["payload"])).items():
            found = mean_interval(scores)
            curves[name].append((row["due"], found.mean, found.low, found.high))
    drawn = [_curve(view, name, points) for name, points in sorted(curves.items())]
    audit = _audit(view)
    return section(
        "benchmarks",
        "Benchmarks",
        "Scores of the ship as it sailed, on text that no training saw; the band is the 95 %"
        " interval of the mean over fresh training seeds. The audit was read once, after the run.",
        drawn or empty("No ship was announced, so nothing was scored."),
        audit,
    )


def gpu_section(view: View) -> Markup:
    """Draws how many GPUs each role held."""
    rows = view.run.sql(_HELD, {"wide": view.bin_ticks}).to_dicts()
    title, anchor = "GPUs by role", "gpus"
    if not rows:
        return section(anchor, title, "", empty("Nobody held a GPU in this run."))
    layers = _layers(view, [(row["start"], row["role"], row["gpus"]) for row in rows])
    most = max(map(sum, zip(*layers.values(), strict=True)))
    size = pool_size(view.run)
    drawn = [(role, view.colours.get(role, 0), values) for role, values in layers.items()]
    frame = Frame(end=view.bins[-1], low=0, high=most * 1.08 or 1, unit="GPUs held, mean")
    hours = {role: sum(values) * view.bin_ticks / HOUR for role, values in layers.items()}
    total = sum(hours.values())
    words = f"{total:,.0f} GPU-hours were leased"
    if size:
        capacity = size * (view.end + 1) / HOUR
        words += f", {100 * total / capacity:.1f} % of what the pool of {size} GPUs had"
    return section(
        anchor,
        title,
        f"Mean over stretches of {span(view.bin_ticks)}. {words}.",
        legend({role: colour for role, colour, _ in drawn}),
        chart(stacked(frame, view.bins, drawn, label=words)),
        numbers(("role", "GPU-hours"), [(role, f"{h:,.1f}") for role, h in hours.items()]),
    )


def rates_section(view: View) -> Markup:
    """Draws how many messages of each protocol were delivered."""
    rows = view.run.sql(_RATES, {"wide": view.bin_ticks}).to_dicts()
    if not rows:
        return section("messages", "Messages", "", empty("The log holds no messages."))
    totals: dict[str, int] = defaultdict(int)
    for row in rows:
        totals[row["protocol"]] += row["n"]
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    kept = set(ranked[:MAX_LAYERS])
    named = [
        (row["start"], row["protocol"] if row["protocol"] in kept else "all others", row["n"])
        for row in rows
    ]
    layers = _layers(view, named)
    order = [name for name in (*ranked[:MAX_LAYERS], "all others") if name in layers]
    drawn = [(name, at, layers[name]) for at, name in enumerate(order)]
    most = max(map(sum, zip(*layers.values(), strict=True)))
    frame = Frame(
        end=view.bins[-1], low=0, high=most * 1.05, unit=f"messages in {span(view.bin_ticks)}"
    )
    total = sum(totals.values())
    return section(
        "messages",
        "Message rates",
        f"{total:,} messages by protocol, in stretches of {span(view.bin_ticks)} of virtual time.",
        legend({name: colour for name, colour, _ in drawn}),
        chart(stacked(frame, view.bins, drawn, label=f"{total:,} messages over virtual time")),
        numbers(("protocol", "messages"), [(name, f"{totals[name]:,}") for name in ranked]),
    )


def prices_section(view: View) -> Markup:
    """Draws what contracts and GPU time cost, over virtual time."""
    asked = {"wide": view.bin_ticks, "credit": int(CREDIT), "hour": int(HOUR)}
    rows = view.run.sql(_PRICES, asked).to_dicts()
    if not rows:
        return section("prices", "Prices", "", empty("Nothing was bought in this run."))
    by_task: dict[str, list[tuple[float, float, float | None, float | None]]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        by_task[row["task"]].append((row["start"], row["price"], row["low"], row["high"]))
        counts[row["task"]] += row["n"]
    ranked = sorted(by_task, key=lambda task: (-counts[task], task))
    drawn = []
    for task in ranked[:MAX_PRICES]:
        points = by_task[task]
        top = max(high or value for _, value, _, high in points)
        frame = Frame(
            end=view.end, low=0, high=top * 1.15 or 1, unit="credits", height=170, width=420
        )
        series = Series(name=task, colour=view.colours.get(task, 0), points=points)
        title = element("h3", f"{task} ({counts[task]:,})")
        label = f"price of {task} over virtual time"
        picture = chart(lines(frame, [series], label=label), is_small=True)
        drawn.append(element("div", title, picture))
    more = len(ranked) - MAX_PRICES
    return section(
        "prices",
        "Prices",
        f"Median of what was paid in stretches of {span(view.bin_ticks)}; the band runs from the"
        " lowest to the highest price.",
        columns(*drawn),
        note(f"{more} further tasks are not drawn.") if more > 0 else None,
    )


def _scores(announced: Mapping[str, object]) -> dict[str, list[float]]:
    """Returns every field that is a list of numbers."""
    found = {}
    for name, values in announced.items():
        if isinstance(values, list) and values:
            kept = [float(one) for one in values if isinstance(one, int | float)]
            if len(kept) == len(values):
                found[name] = kept
    return found


def _curve(
    view: View, name: str, points: Sequence[tuple[float, float, float | None, float | None]]
) -> Markup:
    lows = [low if low is not None else value for _, value, low, _ in points]
    highs = [high if high is not None else value for _, value, _, high in points]
    pad = (max(highs) - min(lows)) * 0.1 or 0.1 * abs(max(highs)) or 1.0
    unit = _UNITS.get(name.rpartition("_")[2], name)
    frame = Frame(end=view.end, low=min(lows) - pad, high=max(highs) + pad, unit=unit)
    series = Series(name=name, colour=0, points=points)
    words = f"{name}: {points[0][1]:.3f} at first, {points[-1][1]:.3f} at last"
    rows = [
        (clock(int(tick)), f"{mean:.4f}", "" if low is None else f"[{low:.4f}, {high:.4f}]")
        for tick, mean, low, high in points
    ]
    return joined(
        chart(lines(frame, [series], label=words, is_step=True)),
        note(f"{words} ({unit})."),
        numbers(("announced", "mean", "95 % interval"), rows),
    )


def _audit(view: View) -> Markup | None:
    found = view.run.manifest.get("summary", {}).get("audit")
    if not found or "gain_bpb" not in found:
        return None
    return element(
        "p",
        f"Audit on {found['seeds']} fresh seeds an arm: generation 0"
        f" {found['generation_0_bpb']:.3f}, final {found['final_bpb']:.3f}, gain ",
        element("b", f"{found['gain_bpb']:.3f}"),
        f" bits per byte, which is {found['standard_errors']:.1f} standard errors.",
    )


def _layers(view: View, rows: Sequence[tuple[int, str, float]]) -> dict[str, list[float]]:
    """Spreads (bin, name, value) rows into a value for every bin, names in their order."""
    n_bins = len(view.bins) - 1
    layers: dict[str, list[float]] = {}
    for start, name, value in rows:
        layers.setdefault(name, [0.0] * n_bins)[start // view.bin_ticks] += value
    return dict(sorted(layers.items(), key=lambda one: view.colours.get(one[0], 99)))

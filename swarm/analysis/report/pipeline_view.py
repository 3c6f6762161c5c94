"""The emergent pipeline in the report: its picture, its score against chance, the negotiations."""

from swarm.analysis.emergent import Pipeline, forward_graph, main_order
from swarm.analysis.market import Market, Null, market
from swarm.analysis.order import order_against_chance
from swarm.analysis.report.charts import chart, colour_class, svg, text
from swarm.analysis.report.markup import Markup, details, element, joined, note, table
from swarm.analysis.report.view import View, empty, section
from swarm.analysis.wording import counted, in_credits, span

_WIDTH = 960.0
_BOX = (184.0, 58.0)
_PER_ROW = 5
_GAP = 60.0

Places = dict[str, tuple[float, float]]


def pipeline_section(view: View) -> Markup:
    """Draws which work led to which."""
    found = view.pipeline
    title = "The emergent pipeline"
    if not found.links:
        return section("pipeline", title, "", empty("No work led to other work in this run."))
    null = order_against_chance(found, seed=int(view.run.manifest["seed"]))
    order = " -> ".join(found.part_order) or "none"
    return section(
        "pipeline",
        title,
        "Nobody scripts an order: this is what the causes in the log add up to. A box is a stage,"
        " who does what for whom; a line says that work of the upper stage led to work of the"
        " lower. Dashed lines lead back up.",
        chart(_picture(view, found)),
        element(
            "p",
            f"A stage says {null.observed:.2f} bits about the next; shuffled successions of the"
            f" same work say {null.mean:.2f} [{null.low:.2f}, {null.high:.2f}]."
            f" Parts were first swapped in the order {order}.",
        ),
        details(counted(len(found.edges), "link") + " as a table", _edges(found)),
    )


def market_section(view: View) -> Markup:
    """Lists the scores of the negotiations, and those that a shuffled negotiation would have."""
    found = market(view.run)
    if not found.calls and not found.requests:
        return section("market", "Negotiations", "", empty("Nobody called for proposals."))
    return section(
        "market",
        "Negotiations",
        "Calls, proposals and what came of them; and how much of it the choice of winners made.",
        table(("", ""), _facts(found), numbers=(1,)),
        _nulls(found.nulls),
    )


def _picture(view: View, found: Pipeline) -> Markup:
    rows = _rows(found)
    places: Places = {}
    for at, row in enumerate(rows):
        for number, stage in enumerate(row):
            x = _WIDTH * (number + 0.5) / len(row)
            places[stage] = (x, 12 + at * (_BOX[1] + _GAP))
    most = max(edge.n for edge in found.edges.values())
    forward = set(forward_graph(found).edges)
    shapes = [
        _edge(places, pair, n=edge.n, most=most, is_forward=pair in forward)
        for pair, edge in sorted(found.edges.items(), key=lambda one: one[1].n)
        if pair[0] != pair[1]
    ]
    shapes += [_box(view, found, stage, place) for stage, place in places.items()]
    height = 24 + len(rows) * (_BOX[1] + _GAP) - _GAP
    label = f"{len(places)} stages and {len(found.edges)} links between them"
    return svg(_WIDTH, height, *shapes, label=label)


def _rows(found: Pipeline) -> list[list[str]]:
    """Returns the layers, long ones cut, each stage near those that lead to it."""
    graph = forward_graph(found)
    at: dict[str, float] = {}
    rows: list[list[str]] = []
    for layer in main_order(found):
        ranked = sorted(layer, key=lambda stage: (_pull(stage, graph, at), stage))
        for start in range(0, len(ranked), _PER_ROW):
            row = ranked[start : start + _PER_ROW]
            rows.append(row)
            at |= {stage: (number + 0.5) / len(row) for number, stage in enumerate(row)}
    return rows


def _pull(stage: str, graph: object, at: dict[str, float]) -> float:
    before = [at[one] for one in graph.predecessors(stage) if one in at]  # type: ignore[attr-defined]
    return sum(before) / len(before) if before else 0.5


def _edge(places: Places, pair: tuple[str, str], *, n: int, most: int, is_forward: bool) -> Markup:
    (x1, y1), (x2, y2) = places[pair[0]], places[pair[1]]
    wide = 1.0 + 5.0 * n / most
    tip = f"{pair[0]} led to {pair[1]}: {n} times"
    if is_forward and y2 > y1:
        y1, middle = y1 + _BOX[1], (y1 + _BOX[1] + y2) / 2
        path = f"M{x1:.1f},{y1:.1f}C{x1:.1f},{middle:.1f} {x2:.1f},{middle:.1f} {x2:.1f},{y2:.1f}"
        style = {"stroke_opacity": "0.55"}
    else:
        side = 8.0 if x1 + x2 < _WIDTH else _WIDTH - 8
        a, b = y1 + _BOX[1] / 2, y2 + _BOX[1] / 2
        path = f"M{x1:.1f},{a:.1f}C{side:.1f},{a:.1f} {side:.1f},{b:.1f} {x2:.1f},{b:.1f}"
        style = {"stroke_opacity": "0.35", "stroke_dasharray": "4 4"}
    return element(
        "path", d=path, fill="none", class_=colour_class("s", 11), stroke_width=wide, data_tip=tip,
        **style,
    )  # fmt: skip


def _box(view: View, found: Pipeline, stage: str, place: tuple[float, float]) -> Markup:
    x, y = place
    role, _, act = stage.partition(": ")
    facts = found.stages[stage]
    tip = f"{stage}: {facts.n} times"
    if facts.price:
        tip += f", {in_credits(facts.price)} credits"
    if facts.span:
        tip += f", {span(facts.span)} each (median)"
    left = x - _BOX[0] / 2
    shape = element("rect", x=left, y=y, width=_BOX[0], height=_BOX[1], rx=7, class_="box")
    mark = element(
        "rect", x=left, y=y, width=5.0, height=_BOX[1], rx=2.5,
        class_=colour_class("f", view.colours.get(role, 11)),
    )  # fmt: skip
    what, _, customer = act.partition(" for ")
    rows = [(f"{role} ({facts.n})", "t"), (what, None)]
    if customer:
        rows.append((f"for {customer}", None))
    first = y + _BOX[1] / 2 + 4 - 8 * (len(rows) - 1)
    words = [
        text(x, first + 16 * at, _short(line), anchor="middle", class_=style)
        for at, (line, style) in enumerate(rows)
    ]
    return element("g", shape, mark, *words, data_tip=tip)


def _verdict(null: Null) -> str:
    if null.low == null.observed == null.high:
        return "the same in every shuffle"
    return "as by chance" if null.low <= null.observed <= null.high else "beyond chance"


def _short(line: str) -> str:
    return line if len(line) <= 30 else line[:29] + "\u2026"


def _edges(found: Pipeline) -> Markup:
    rows = [
        (
            before,
            after,
            f"{edge.n:,}",
            in_credits(edge.price),
            "" if edge.span is None else span(edge.span),
            span(edge.delay),
        )
        for (before, after), edge in sorted(found.edges.items(), key=lambda e: (-e[1].n, e[0]))
    ]
    head = ("this work", "led to", "times", "mean price, credits", "took (median)", "then after")
    return table(head, rows, numbers=(2, 3))


def _facts(found: Market) -> list[tuple[str, str]]:
    def share(value: float | None) -> str:
        return "not known" if value is None else f"{100 * value:.1f} %"

    def plain(value: float | None) -> str:
        return "nobody has any" if value is None else f"{value:.2f}"

    return [
        ("calls for proposals", f"{found.calls:,}"),
        ("of them without a proposal", f"{found.unanswered:,}"),
        ("proposals", f"{found.proposals:,}"),
        ("refusals", f"{found.refusals:,}"),
        ("acceptances", f"{found.acceptances:,}"),
        ("breaches: failed, overdue, cancelled, rejected", f"{found.breaches:,}"),
        ("Gini coefficient of credits at the end", plain(found.gini_of_balances)),
        ("Gini coefficient of credits received", plain(found.gini_of_receipts)),
        ("GPU requests", f"{found.requests:,}"),
        ("wait for GPUs, median", f"{found.wait_minutes_median:.1f} min"),
        ("wait for GPUs, 90th percentile", f"{found.wait_minutes_90th:.1f} min"),
        ("utilisation of the pool", share(found.utilisation)),
        ("envy: waited while a later grant went for less than their bid", share(found.envy)),
    ]


def _nulls(nulls: dict[str, Null]) -> Markup | None:
    if not nulls:
        return None
    rows = [
        (
            name,
            f"{null.observed:.3f}",
            f"{null.mean:.3f} [{null.low:.3f}, {null.high:.3f}]",
            _verdict(null),
        )
        for name, null in nulls.items()
    ]
    shuffles = next(iter(nulls.values())).shuffles
    return joined(
        element("h3", "Against a shuffled negotiation"),
        table(("score", "this run", "shuffled [95 %]", ""), rows, numbers=(1,)),
        note(
            f"{shuffles} times winners were exchanged between calls of the same task to which both"
            " had proposed; every call keeps one winner, every actor its number of wins."
        ),
    )

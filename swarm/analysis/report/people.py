"""Who did what for whom, in the report: credits, supply, and the graph with its traffic."""

import math
from collections import Counter, defaultdict
from itertools import zip_longest
from typing import NamedTuple

from swarm.analysis.emergent import supply
from swarm.analysis.money import by_role
from swarm.analysis.report.charts import bars, chart, colour_class, legend, svg, text
from swarm.analysis.report.markup import Markup, element, joined, note, table
from swarm.analysis.report.view import View, empty, section
from swarm.analysis.wording import credits_, in_credits, span
from swarm.units import CREDIT

MAX_ACTORS = 140
"""Actors in the picture of the graph: those with the most traffic, some of every role."""

MAX_EDGES = 420
"""Edges in it: those with the most messages."""

_SIZE = 680.0
_RADIUS = 270.0
_MIN_SLOTS = 4
_FIRST_ANGLE = -0.7
"""Where the first role stands: on the right, where names lie below each other."""
_SORTS = {
    "income": "income from the director",
    "paid": "paid for contracts done",
    "advance": "advances on contracts",
    "royalty": "royalties of swaps",
    "rent": "paid for GPU time",
    "refunded": "refunds",
    "contract": "spent on contracts",
    "lease": "spent on GPU time",
    "reward": "spent on rewards",
}
_TRAFFIC = """
with told_pairs as (
    select src, dst, count(*) as n from messages where src <> dst group by 1, 2
),
per_actor as (
    select actor, role, sum(n)::bigint as n from (
        select src as rank, n from told_pairs union all select dst, n from told_pairs
    ) t join actors using (rank) group by 1, 2
),
ranked as (
    select *, row_number() over (order by n desc, actor) as place,
        row_number() over (partition by role order by n desc, actor) as within_role
    from per_actor
)
select actor, role, n from ranked
order by within_role > 3, place limit $most
"""
_EDGES = """
select x.actor as sender, y.actor as recipient, count(*) as n
from messages m join actors x on x.rank = m.src join actors y on y.rank = m.dst
where m.src <> m.dst and x.actor in (select unnest($chosen::varchar[]))
    and y.actor in (select unnest($chosen::varchar[]))
group by 1, 2 order by n desc, 1, 2 limit $most
"""
_MATRIX = """
select x.role as sender, y.role as recipient, sum(n)::bigint as n from (
    select src, dst, count(*) as n from messages where src <> dst group by 1, 2
) m join actors x on x.rank = m.src join actors y on y.rank = m.dst
group by 1, 2 order by 1, 2
"""


class Place(NamedTuple):
    """Where an actor stands in the picture."""

    angle: float
    x: float
    y: float


def credits_section(view: View) -> Markup:
    """Draws what each role received and spent."""
    rows = by_role(view.run).to_dicts()
    if not rows:
        return section("credits", "Credits", "", empty("No credits moved in this run."))
    sorts = [sort for sort in _SORTS if any(row["sort"] == sort for row in rows)]
    sorts += sorted({row["sort"] for row in rows} - set(sorts))
    pieces: dict[str, list[tuple[str, int, float]]] = defaultdict(list)
    balances: dict[str, int] = defaultdict(int)
    for role in view.colours:
        for at, sort in enumerate(sorts):
            for row in rows:
                if (row["role"], row["sort"]) == (role, sort):
                    what = _SORTS.get(sort, sort)
                    pieces[role].append((what, at, row["amount"] / CREDIT))
                    balances[role] += row["amount"]
    drawn = [(role, None, pieces[role]) for role in view.colours if role in pieces]
    picture = bars(drawn, unit="credits", label="credits received and spent by role")
    kept = [(role, in_credits(amount)) for role, amount in balances.items()]
    return section(
        "credits",
        "Credits by role",
        "To the right what a role received, to the left what it spent.",
        legend({_SORTS.get(sort, sort): at for at, sort in enumerate(sorts)}),
        chart(picture),
        element("h3", "Left over at the end"),
        table(("role", "credits"), kept, numbers=(1,)),
    )


def supply_section(view: View) -> Markup:
    """Lists who supplied what to whom."""
    rows = supply(view.run).to_dicts()
    if not rows:
        return section(
            "supply", "Who supplied whom", "", empty("No contract was awarded and no GPU leased.")
        )
    most = max(row["n"] for row in rows)
    cells = [
        (
            row["supplier"],
            row["what"],
            row["customer"],
            f"{row['n']:,}",
            joined(_bar(row["n"] / most, view.colours.get(row["supplier"], 0))),
            in_credits(row["price"] or 0),
            "" if row["span"] is None else span(row["span"]),
        )
        for row in sorted(rows, key=lambda row: (-row["n"], row["supplier"], row["customer"]))
    ]
    total = sum(row["price"] or 0 for row in rows)
    head = ("supplier", "what", "customer", "times", "", "credits", "median time")
    return section(
        "supply",
        "Who supplied whom",
        f"Every awarded contract and every lease, by role; {credits_(total)} changed hands.",
        table(head, cells, numbers=(3, 5)),
    )


def graph_section(view: View) -> Markup:
    """Draws the actors in a circle with their traffic, and traffic by role as a table."""
    actors = view.run.sql(_TRAFFIC, {"most": MAX_ACTORS}).to_dicts()
    title = "Coordination graph with its traffic"
    if not actors:
        return section("graph", title, "", empty("No actor told another anything."))
    chosen = [row["actor"] for row in actors]
    edges = view.run.sql(_EDGES, {"chosen": chosen, "most": MAX_EDGES}).to_dicts()
    order = sorted(
        actors, key=lambda row: (view.colours.get(row["role"], 99), _number_of(row["actor"]))
    )
    places = _circle(order)
    sizes = Counter(row["role"] for row in order)
    heaviest = max(row["n"] for row in actors)
    shapes = [_chord(view, places, edge, edges[0]["n"]) for edge in reversed(edges)]
    for row in order:
        place = places[row["actor"]]
        dot = element(
            "circle",
            cx=place.x,
            cy=place.y,
            r=_radius(row["n"] / heaviest, is_alone=sizes[row["role"]] <= _MIN_SLOTS),
            class_=colour_class("f", view.colours.get(row["role"], 0)),
            data_tip=f"{row['actor']}: {row['n']:,} messages sent and received",
        )
        shapes.append(dot)
    shapes += _labels(order, places)
    n_all = len(view.run.roster)
    words = f"{len(actors)} of {n_all:,} actors and {len(edges)} of their edges"
    roles = {row["role"]: view.colours.get(row["role"], 0) for row in order}
    picture = svg(_SIZE * 1.4, _SIZE, *shapes, label=words)
    return section(
        "graph",
        title,
        f"Drawn are {words}: those with the most messages, some of every role. A line has the"
        " colour of the sender, and is the stronger the more was said.",
        legend(roles),
        chart(picture),
        element("h3", "Messages by role, all actors"),
        _matrix(view),
    )


def _radius(share: float, *, is_alone: bool) -> float:
    """Returns the radius of an actor's dot; those of a large role must not hide each other."""
    radius = 2.5 + 5.5 * math.sqrt(share)
    return radius if is_alone else min(radius, 4.5)


def _bar(share: float, colour: int) -> Markup:
    wide = f"width:{max(1.0, 110 * share):.0f}px"
    return element("span", class_=f"bar {colour_class('b', colour)}", style=wide)


def _number_of(actor: str) -> int:
    number = actor.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _circle(order: list[dict[str, str]]) -> dict[str, Place]:
    """Sets roles side by side; small ones get room for their name, where it costs least."""
    sizes: dict[str, int] = defaultdict(int)
    for row in order:
        sizes[row["role"]] += 1
    slots = {role: max(size, _MIN_SLOTS) for role, size in sizes.items()}
    step = 2 * math.pi / (sum(slots.values()) + len(slots))
    places, at, filled = {}, 0.0, 0
    for row, following in zip_longest(order, order[1:]):
        role = row["role"]
        free = slots[role] - sizes[role]
        angle = _FIRST_ANGLE + step * (at + free / 2 + filled)
        x = _SIZE * 0.7 + _RADIUS * math.cos(angle)
        places[row["actor"]] = Place(angle, x, _SIZE / 2 + _RADIUS * math.sin(angle))
        filled += 1
        if following is None or following["role"] != role:
            at, filled = at + slots[role] + 1, 0
    return places


def _chord(view: View, places: dict[str, Place], edge: dict[str, object], most: int) -> Markup:
    sender, recipient = str(edge["sender"]), str(edge["recipient"])
    n = int(str(edge["n"]))
    a, b = places[sender], places[recipient]
    middle_x, middle_y = _SIZE * 0.7, _SIZE / 2
    bend = f"Q{(a.x + b.x + 2 * middle_x) / 4:.1f},{(a.y + b.y + 2 * middle_y) / 4:.1f}"
    strength = math.log1p(n) / math.log1p(most)
    return element(
        "path",
        d=f"M{a.x:.1f},{a.y:.1f}{bend} {b.x:.1f},{b.y:.1f}",
        class_=colour_class("s", view.colour(sender)),
        fill="none",
        stroke_width=0.4 + 2.2 * strength,
        stroke_opacity=f"{0.12 + 0.6 * strength:.2f}",
        data_tip=f"{sender} to {recipient}: {n:,} messages",
    )


def _labels(order: list[dict[str, str]], places: dict[str, Place]) -> list[Markup]:
    """Writes the name of each role outside its arc."""
    by_role_: dict[str, list[Place]] = defaultdict(list)
    for row in order:
        by_role_[row["role"]].append(places[row["actor"]])
    labels = []
    for role, found in by_role_.items():
        place = found[len(found) // 2]
        x = _SIZE * 0.7 + (_RADIUS + 22) * math.cos(place.angle)
        y = _SIZE / 2 + (_RADIUS + 22) * math.sin(place.angle) + 4
        anchor = "start" if math.cos(place.angle) > 0.1 else "end"
        if abs(math.cos(place.angle)) <= 0.1:
            anchor = "middle"
        labels.append(text(x, y, role, anchor=anchor))
    return labels


def _matrix(view: View) -> Markup:
    rows = view.run.sql(_MATRIX).to_dicts()
    counts = {(row["sender"], row["recipient"]): row["n"] for row in rows}
    roles = [role for role in view.colours if any(role in pair for pair in counts)]
    most = max(counts.values())

    def cell(sender: str, recipient: str) -> Markup:
        n = counts.get((sender, recipient), 0)
        strength = f"--v:{math.log1p(n) / math.log1p(most):.2f}"
        return element("span", f"{n:,}" if n else "", class_="heat", style=strength)

    body = [(sender, *(cell(sender, one) for one in roles)) for sender in roles]
    head = ("from / to", *roles)
    return joined(
        table(head, body, numbers=range(1, len(head))),
        note("Timers and other messages of an actor to itself are not counted."),
    )

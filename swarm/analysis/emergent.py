"""The emergent pipeline: which work led to which, mined from the log.

Nobody scripts an order; it is what is left when one follows causes. An *event* is a piece of work:
a contract, a lease, a swap, a grant, an answer of a mind, an announcement of the ship. Its *stage*
says who does what for whom. Event A leads to event B if the walk back from B's first message meets
A before any other event; counted over a run, these links are a directed graph of stages, with
prices, spans and delays. ``supply`` is the same log by roles: who supplied what to whom.
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import networkx as nx
import polars as pl

from swarm.analysis.causes import Causes
from swarm.analysis.events import ACTS, Event, find_events
from swarm.analysis.run import Run

_SUPPLY = """
select w.role as supplier, i.role as customer, c.task as what, count(*) as n,
    sum(c.price)::bigint as price, median(c.closed - c.opened) as span
from contracts c join actors w on w.actor = c.winner join actors i on i.actor = c.initiator
group by 1, 2, 3
union all
select 'gpu_broker', a.role, 'GPU time', count(*), sum(l.price)::bigint,
    median(l.ended - l.granted)
from leases l join actors a on a.actor = l.holder where l.granted is not null group by 2
order by 1, 2, 3
"""


class Link(NamedTuple):
    """One event that led to another."""

    before: int
    """Index into the events."""
    after: int


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """All events of one stage."""

    n: int
    price: int
    """Micro-credits in all."""
    span: float | None
    """Median ticks from opening to closing."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """All links from one stage to another."""

    n: int
    price: float
    """Mean price of what was supplied, micro-credits."""
    span: float | None
    """Median ticks that the supplied work took."""
    delay: float
    """Median ticks from the opening of the one to the opening of the other."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What emerged in one run."""

    events: tuple[Event, ...]
    links: tuple[Link, ...]
    stages: Mapping[str, StageFacts]
    edges: Mapping[tuple[str, str], Edge]
    part_order: tuple[str, ...]
    """Parts of the ship by their first swap."""


def mine(run: Run, causes: Causes | None = None) -> Pipeline:
    """Mines a run; ``causes`` of the run may be given if they are there already."""
    walked = Causes(run) if causes is None else causes
    events, of_talk, of_seq = find_events(run, walked)
    links = _links(walked, events, of_talk, of_seq)
    swaps = run.parts.filter(pl.col("event") == "swap").unique(
        "part", keep="first", maintain_order=True
    )
    return Pipeline(
        events=tuple(events),
        links=tuple(links),
        stages=_stages(events),
        edges=_edges(events, links),
        part_order=tuple(swaps["part"].to_list()),
    )


def supply(run: Run) -> pl.DataFrame:
    """Returns who supplied what to whom, by role: count, price in micro-credits, median ticks."""
    return run.sql(_SUPPLY)


def main_order(pipeline: Pipeline) -> list[tuple[str, ...]]:
    """Returns the stages in layers, sources first: links that close a circle are left out.

    Links are taken from the most frequent down, each unless it would close a circle.
    """
    graph = forward_graph(pipeline)
    return [tuple(sorted(layer)) for layer in nx.topological_generations(graph)]


def forward_graph(pipeline: Pipeline) -> "nx.DiGraph[str]":
    """Returns the stages with the links that ``main_order`` keeps."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(sorted(pipeline.stages))
    ranked = sorted(pipeline.edges.items(), key=lambda one: (-one[1].n, one[0]))
    for (before, after), edge in ranked:
        if before != after and not nx.has_path(graph, after, before):
            graph.add_edge(before, after, n=edge.n)
    return graph


def write_graphml(pipeline: Pipeline, path: Path) -> None:
    """Writes the graph of stages: nodes with count, price and span, edges with delay as well.

    Prices are micro-credits, spans and delays ticks; what is not known is left out.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    for stage, facts in sorted(pipeline.stages.items()):
        graph.add_node(stage, **_known(n=facts.n, price=facts.price, span=facts.span))
    for (before, after), edge in sorted(pipeline.edges.items()):
        known = _known(n=edge.n, price=edge.price, span=edge.span, delay=edge.delay)
        graph.add_edge(before, after, **known)
    nx.write_graphml(graph, path)


def order_bits(pairs: Sequence[tuple[str, str]]) -> float:
    """Returns how much a stage says about the next, in bits: mutual information over links."""
    n = len(pairs)
    both = Counter(pairs)
    before = Counter(a for a, _ in pairs)
    after = Counter(b for _, b in pairs)
    return sum(
        count / n * math.log2(count * n / (before[a] * after[b]))
        for (a, b), count in sorted(both.items())
    )


def _known(**facts: float | None) -> dict[str, float]:
    return {name: value for name, value in facts.items() if value is not None}


def _links(
    causes: Causes, events: Sequence[Event], of_talk: Mapping[int, int], of_seq: Mapping[int, int]
) -> list[Link]:
    """Finds what led to each event.

    A walk from a swap or a refusal knows which finding was tested, so it may look through rounds
    that serve several; what it finds goes before what a walk from the event itself finds.
    """
    led: dict[int, int] = {}
    for at, event in enumerate(events):
        before = next(_walk(causes, event.seq, of_talk, of_seq, at=at, knows_talk=False), None)
        if before is not None:
            led[at] = before
    for at, event in enumerate(events):
        if causes.kind(event.seq) in ACTS:
            after = at
            for before in _walk(causes, event.seq, of_talk, of_seq, at=at, knows_talk=True):
                led[after] = before
                after = before
    return [Link(before, after) for after, before in sorted(led.items())]


def _walk(
    causes: Causes,
    seq: int,
    of_talk: Mapping[int, int],
    of_seq: Mapping[int, int],
    *,
    at: int,
    knows_talk: bool,
) -> Iterator[int]:
    """Yields the events on the way back from a message, down to the decision it began with."""
    open_talks: list[int] = []
    here, own = at, 0 if seq in of_seq else causes.talk(seq)
    while True:
        talk = causes.talk(seq)
        if knows_talk and talk and talk not in open_talks:
            open_talks.append(talk)
        step = causes.back(seq, open_talks)
        if step is None:
            return
        seq = step.seq
        talk = causes.talk(seq)
        found = of_seq.get(seq)
        if found is None and talk != own:
            found = of_talk.get(talk)
        if found is not None and found != here:
            here = found
            yield found
        if knows_talk and (causes.is_question(seq) or causes.kind(seq) == "ship.announced"):
            return


def _stages(events: Sequence[Event]) -> dict[str, StageFacts]:
    by_stage: dict[str, list[Event]] = {}
    for event in events:
        by_stage.setdefault(event.stage, []).append(event)
    return {
        stage: StageFacts(
            n=len(found), price=sum(event.price for event in found), span=_median_span(found)
        )
        for stage, found in sorted(by_stage.items())
    }


def _edges(events: Sequence[Event], links: Sequence[Link]) -> dict[tuple[str, str], Edge]:
    by_pair: dict[tuple[str, str], list[tuple[Event, Event]]] = {}
    for link in links:
        before, after = events[link.before], events[link.after]
        by_pair.setdefault((before.stage, after.stage), []).append((before, after))
    return {
        pair: Edge(
            n=len(found),
            price=statistics.fmean(before.price for before, _ in found),
            span=_median_span([before for before, _ in found]),
            delay=statistics.median(after.opened - before.opened for before, after in found),
        )
        for pair, found in sorted(by_pair.items())
    }


def _median_span(events: Sequence[Event]) -> float | None:
    spans = [event.closed - event.opened for event in events if event.closed is not None]
    return statistics.median(spans) if spans else None

"""How much of an emergent pipeline is order: within a run against chance, and from run to run."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from swarm.analysis.emergent import Pipeline, order_bits
from swarm.analysis.intervals import Interval, jackknife
from swarm.analysis.market import Null
from swarm.kernel.rng import Stream

SHUFFLES = 200
"""Shuffled successions that make a null."""


@dataclass(frozen=True, kw_only=True)
class Stability:
    """How alike the pipelines of several runs are; means over all pairs of runs.

    Intervals leave out one run at a time: pairs that share a run are not independent.
    """

    runs: int
    edges: Interval
    """Jaccard index of the edges: 1 if both runs have the same."""
    directions: Interval | None
    """Of pairs of stages that both runs link: the share that both link mostly the same way round;
    None where no two runs link the same pair."""
    parts: Interval | None
    """Of pairs of parts that both runs swapped: the share that both swapped in the same order;
    None where no two runs swapped the same two parts."""

    def as_object(self) -> dict[str, Any]:  # Any: JSON
        """Returns JSON values."""
        return asdict(self)


def stability(pipelines: Sequence[Pipeline]) -> Stability:
    """Compares the pipelines of at least two runs, of different seeds as a rule."""
    edges = _over_pairs(pipelines, _edge_overlap)
    assert edges is not None, "a pipeline always has a set of edges, if an empty one"
    return Stability(
        runs=len(pipelines),
        edges=edges,
        directions=_over_pairs(pipelines, _same_direction),
        parts=_over_pairs(pipelines, _same_part_order),
    )


def order_against_chance(pipeline: Pipeline, *, seed: int, shuffles: int = SHUFFLES) -> Null:
    """Compares what a stage says about the next with shuffled successions.

    The null keeps how often each stage leads and how often each is led to, and deals out anew which
    leads to which. Bits of mutual information; few links give some by chance, which the null shows.

    Args:
        pipeline: Of one run; its links are shuffled.
        seed: Of the run.
        shuffles: How many times.
    """
    pairs = [(pipeline.events[a].stage, pipeline.events[b].stage) for a, b in pipeline.links]
    if not pairs:
        return Null(observed=0.0, mean=0.0, low=0.0, high=0.0, shuffles=0)
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    drawn = sorted(
        order_bits(list(zip(before, stream.shuffled(after), strict=True)))
        for stream in (
            Stream(seed=seed, owner="analysis", name=f"succession/{n}") for n in range(shuffles)
        )
    )
    last = shuffles - 1
    return Null(
        observed=order_bits(pairs),
        mean=statistics.fmean(drawn),
        low=drawn[round(0.025 * last)],
        high=drawn[round(0.975 * last)],
        shuffles=shuffles,
    )


def _over_pairs(
    pipelines: Sequence[Pipeline], score: Callable[[Pipeline, Pipeline], float | None]
) -> Interval | None:
    scores = {
        pair: score(pipelines[pair[0]], pipelines[pair[1]])
        for pair in combinations(range(len(pipelines)), 2)
    }

    def mean(without: int | None) -> float | None:
        known = [one for pair, one in scores.items() if one is not None and without not in pair]
        return statistics.fmean(known) if known else None

    of_all = mean(None)
    if of_all is None:
        return None
    left_out = [mean(at) for at in range(len(pipelines))] if len(pipelines) > 2 else []
    found = jackknife(of_all, [one for one in left_out if one is not None])
    if found.low is None or found.high is None:
        return found
    # These are shares: an interval that reaches beyond all or nothing says no more than that.
    return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))


def _edge_overlap(a: Pipeline, b: Pipeline) -> float:
    union = a.edges.keys() | b.edges.keys()
    return len(a.edges.keys() & b.edges.keys()) / len(union) if union else 1.0


def _same_direction(a: Pipeline, b: Pipeline) -> float | None:
    ours, theirs = _directions(a), _directions(b)
    shared = sorted(ours.keys() & theirs.keys())
    return statistics.fmean(ours[pair] == theirs[pair] for pair in shared) if shared else None


def _directions(pipeline: Pipeline) -> dict[tuple[str, str], bool]:
    """Returns for linked pairs of stages, by name, whether the first mostly leads to the second."""
    net: dict[tuple[str, str], int] = {}
    for (before, after), edge in pipeline.edges.items():
        if before != after:
            pair = (min(before, after), max(before, after))
            net[pair] = net.get(pair, 0) + (edge.n if before == pair[0] else -edge.n)
    return {pair: balance > 0 for pair, balance in net.items() if balance}


def _same_part_order(a: Pipeline, b: Pipeline) -> float | None:
    shared = [part for part in a.part_order if part in b.part_order]
    rank = {part: at for at, part in enumerate(b.part_order)}
    pairs = list(combinations(shared, 2))
    return statistics.fmean(rank[x] < rank[y] for x, y in pairs) if pairs else None

"""The standards by which claims are put to the test, and what a test by them takes.

Reviewers and the integrator are given the same ones; the test itself stands in ``replication.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from swarm.comms.messages.ship import PartValue
from swarm.errors import UsageError, WireError
from swarm.kernel.role import Context
from swarm.pipeline import campaign
from swarm.pipeline.campaign import Job, Means
from swarm.pipeline.disciplines import DISCIPLINES, Benchmark
from swarm.pipeline.evidence import Gate
from swarm.pipeline.pretraining.spec import Train
from swarm.pipeline.recipe import post_train_spec, train_spec
from swarm.pipeline.values import identity, read_value
from swarm.units import Credits, Flops, Ticks

SEEDS = 2**31
"""Seeds are drawn from as many."""

_OVERSPENT = 1.1
"""Whole steps of a huge batch may cost more than the budget; beyond this it is no fair test."""


@dataclass(frozen=True, kw_only=True)
class Standards:
    """How claims are put to the test: configuration."""

    corpus: str
    """Hash of the corpus."""
    flops: Flops
    """Nominal budget of one pre-training job: that of the base arm."""
    post_steps: int
    """Budget of one post-training job, in reference steps: that of its arm."""
    max_params: int | None
    """A larger model fails with kind ``limit``."""
    gates: Mapping[Benchmark, Gate]
    """By benchmark. Stages count training seeds where models are trained (the ship's arm should
    have as many as the last), blocks where values are scored as they stand."""
    gpus: int
    """Size of the gang on which seeds are trained side by side."""
    scoring: Ticks
    """How long the longest measurement of one subject takes."""
    ticks: Callable[[Flops], Ticks]
    """How long nominal work takes on one GPU."""
    means: Means
    """With whom it is done, and for how much."""


def problem(
    part: str, value: PartValue, parts: Mapping[str, PartValue], standards: Standards
) -> str:
    """Returns in a sentence why a value is not worth a test on a ship; empty if it is."""
    try:
        read_value(part, value)
        if part not in parts:
            return f"the ship has no {part}"
        if identity(part, value) == identity(part, parts[part]):
            return f"the ship has this {part} already"
        if part not in DISCIPLINES or not DISCIPLINES[part].is_trained:
            return "" if part in DISCIPLINES else f"nobody can judge a {part}"
        spec = _tested(part, value, parts, standards)
    except (WireError, UsageError) as wrong:
        return str(wrong)
    if isinstance(spec, Train) and spec.cost() > _OVERSPENT * standards.flops:
        return f"training costs {spec.cost() / standards.flops:.2f} budgets, whole steps counted"
    return spec.problem() or ""


def fresh_specs(
    ctx: Context,
    benchmark: Benchmark,
    parts: Mapping[str, PartValue],
    standards: Standards,
    *,
    n: int,
) -> list[Job]:
    """Returns jobs whose models a benchmark is to score, each on a seed never used before.

    Raises:
        WireError: If the parts are not those of a recipe.
    """
    seeds = ctx.rng("seeds")
    return [_spec(benchmark, parts, standards, seed=seeds.integer(SEEDS)) for _ in range(n)]


def price(
    part: str, value: PartValue, parts: Mapping[str, PartValue], standards: Standards
) -> Credits:
    """Returns the most that the test of a sound value can cost, all looks counted."""
    if not DISCIPLINES[part].is_trained:
        return Credits(2 * standards.means.max_price_per_score)
    takes = standards.ticks(_tested(part, value, parts, standards).cost())
    by_look = (
        campaign.price([takes] * n, gpus=standards.gpus, means=standards.means)
        for n in _looks(standards.gates[DISCIPLINES[part].benchmark])
    )
    return Credits(sum(by_look))


def longest(
    part: str, value: PartValue, parts: Mapping[str, PartValue], standards: Standards
) -> Ticks:
    """Returns how long the test of a sound value takes at most, waiting for leases counted."""
    means = standards.means
    scoring = means.bidding_window + means.patience + 10 * means.lookahead + standards.scoring
    if not DISCIPLINES[part].is_trained:
        return Ticks(scoring)
    takes = standards.ticks(_tested(part, value, parts, standards).cost())
    total = 0
    for n in _looks(standards.gates[DISCIPLINES[part].benchmark]):
        lengths = [Ticks(max(takes, means.lookahead))] * n
        gang = min(standards.gpus, n)
        leased = campaign.lease_duration(lengths, gpus=gang, lookahead=means.lookahead)
        total += means.lease_patience + leased + scoring
    return Ticks(total)


def _looks(gate: Gate) -> tuple[int, ...]:
    """Returns how many seeds each look of a gate adds."""
    return tuple(b - a for a, b in zip((0, *gate.stages), gate.stages, strict=False))


def _tested(
    part: str, value: PartValue, parts: Mapping[str, PartValue], standards: Standards
) -> Job:
    return _spec(DISCIPLINES[part].benchmark, {**parts, part: value}, standards, seed=0)


def _spec(
    benchmark: Benchmark, parts: Mapping[str, PartValue], standards: Standards, *, seed: int
) -> Job:
    if benchmark == "unsolved":
        return post_train_spec(parts, steps=standards.post_steps, seed=seed)
    spec = train_spec(parts, corpus=standards.corpus, flops=standards.flops, seed=seed)
    return replace(spec, max_params=standards.max_params)

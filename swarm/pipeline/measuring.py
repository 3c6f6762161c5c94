"""Measuring: which jobs and questions give a subject's score by a benchmark, and how they add up.

The evaluator owns the small machine on which they run; the benchmarks stand in ``disciplines.py``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, assert_never

from swarm.comms.messages import mind
from swarm.errors import WireError
from swarm.pipeline import tasks
from swarm.pipeline.evaluation.spec import Evaluate, Evaluated
from swarm.pipeline.inference.spec import DecoderSpec, Referee, Refereed
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.spec import Solve, Solved
from swarm.pipeline.values import Checkpoint, read_as

Measurement: TypeAlias = Evaluate | Solve | Referee | mind.Practise
Measured: TypeAlias = Evaluated | Solved | Refereed | mind.Practised

WORST_BPB = 8.0
"""Bits per byte of a model that knows nothing."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What an evaluator measures on: configuration."""

    corpus: str
    """Hash of the corpus whose sealed split is read."""
    n_blocks: int
    """Blocks of text an evaluation reads."""
    exam: tuple[EnvSpec, ...]
    """The environments on whose sealed tasks models are examined; no part of the ship."""
    n_prompts: int
    """Tasks of each environment that an examination sets; a block has one of each."""
    n_practices: int
    """Tasks on which a notebook policy is practised."""


def measurements(terms: tasks.EvaluateTerms, subject: str, bench: Bench) -> list[Measurement]:
    """Returns what is to be done for one subject, in the order in which ``score`` wants answers.

    Raises:
        WireError: If the subject is not one of the benchmark.
    """
    match terms.benchmark:
        case "bpb":
            return [_evaluate(subject, terms.seed, bench)]
        case "unsolved":
            return [_solve(subject, terms.seed, bench)]
        case "index":
            weights = read_as(Checkpoint, subject)
            return [
                _evaluate(weights.base, terms.seed, bench),
                _solve(weights.artifact, terms.seed, bench),
            ]
        case "decode":
            if subject == terms.rival:  # the loss is told relative to it
                return []
            return [
                Referee(
                    artifact=terms.model,
                    base=read_as(DecoderSpec, terms.rival),
                    candidate=read_as(DecoderSpec, subject),
                    seed=terms.seed,
                )
            ]
        case "regret":
            return [mind.Practise(policy=subject, seed=terms.seed, n_tasks=bench.n_practices)]
        case _:
            assert_never(terms.benchmark)


def score(terms: tasks.EvaluateTerms, subject: str, answers: Sequence[Measured]) -> tasks.Score:
    """Adds up what was measured of one subject.

    Args:
        terms: What was asked for.
        subject: What was scored.
        answers: In the order of ``measurements``.

    Raises:
        WireError: If they are not the answers to these measurements.
    """
    match terms.benchmark, tuple(answers):
        case "bpb", (Evaluated() as text,):
            return tasks.Score(artifact=subject, bpb=text.bpb, block_bpb=text.block_bpb)
        case "unsolved", (Solved() as exam,):
            return _mean(subject, [1.0 - share for share in exam.block_pass])
        case "index", (Evaluated() as text, Solved() as exam):
            return _mean(subject, _index(text.block_bpb, exam.block_pass))
        case "decode", ():
            return tasks.Score(artifact=subject, bpb=0.0, block_bpb=(0.0, 0.0, 0.0))
        case "decode", (Refereed() as timed,):
            return _timed(subject, timed)
        case "regret", (mind.Practised() as practised,):
            return _mean(subject, practised.regrets)
        case _:
            came = ", ".join(type(answer).__name__ for answer in answers)
            raise WireError(
                where="a measurement", expected=f"what gives {terms.benchmark}", came=came
            )


def _evaluate(artifact: str, seed: int, bench: Bench) -> Evaluate:
    return Evaluate(
        corpus=bench.corpus, artifact=artifact, split="sealed", seed=seed, n_blocks=bench.n_blocks
    )


def _solve(artifact: str, seed: int, bench: Bench) -> Solve:
    return Solve(artifact=artifact, environments=bench.exam, n_prompts=bench.n_prompts, seed=seed)


def _index(block_bpb: Sequence[float], block_pass: Sequence[float]) -> list[float]:
    """Returns an index for each block of tasks, with its share of the blocks of text."""
    n = len(block_pass)
    cuts = [len(block_bpb) * i // n for i in range(n + 1)]
    texts = [math.fsum(block_bpb[a:b]) / max(1, b - a) for a, b in pairwise(cuts)]
    return [
        0.5 * text / WORST_BPB + 0.5 * (1.0 - share)
        for text, share in zip(texts, block_pass, strict=True)
    ]


def _timed(subject: str, timed: Refereed) -> tasks.Score:
    ratios = (timed.ratio_high, timed.ratio, timed.ratio_low)
    losses = tuple(round(-math.log2(ratio), 6) for ratio in ratios)
    return tasks.Score(artifact=subject, bpb=losses[1], block_bpb=losses, refusal=timed.refusal)


def _mean(subject: str, losses: Sequence[float]) -> tasks.Score:
    mean = math.fsum(losses) / max(1, len(losses))
    return tasks.Score(artifact=subject, bpb=round(mean, 6), block_bpb=tuple(losses))

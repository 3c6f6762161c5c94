"""The audit: generation 0 and the final recipe once more, on seeds and text that steered nothing.

Both are pre-trained on fresh seeds and read on the audit shard; what came of it is post-trained and
examined on tasks of an own seed. Nothing of it reaches an actor.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TypeVar

from swarm.comms.messages import work
from swarm.errors import RunFailedError
from swarm.kernel.message import Message
from swarm.kernel.rng import Stream
from swarm.pipeline.evaluation.spec import Evaluate, Evaluated
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.spec import PostTrained, Solve, Solved
from swarm.pipeline.pretraining.spec import Architecture, Trained
from swarm.pipeline.recipe import Start, post_train_spec, train_spec
from swarm.pipeline.values import read_as
from swarm.runtime.launch import Perform
from swarm.scenarios.research_lab import ResearchLab
from swarm.units import Flops

AUDIT_BLOCKS = 512
AUDIT_PROMPTS = 64
"""Tasks of each environment."""

MessageT = TypeVar("MessageT", bound=Message)

Ship = Mapping[str, str]


def audit(
    config: ResearchLab, corpus: str, original: Ship, final: Ship, perform: Perform
) -> dict[str, object]:
    """Trains both recipes on fresh seeds and measures them.

    Returns:
        Means in bits per byte and in pass@1, gains (positive is better), their standard errors, and
        the scores.
    """
    seeds = Stream(seed=config.seed, owner="audit", name="seeds")
    n, flops = config.work.audit_seeds, Flops(config.work.trial_flops)
    arms = [parts for parts in (original, final) for _ in range(n)]
    trunks = perform(
        [train_spec(parts, corpus=corpus, flops=flops, seed=seeds.integer(2**31)) for parts in arms]
    )
    artifacts = [_expect(Trained, trunk).artifact for trunk in trunks]
    blocks = seeds.integer(2**31)
    read = perform(
        [
            Evaluate(corpus=corpus, artifact=one, split="audit", seed=blocks, n_blocks=AUDIT_BLOCKS)
            for one in artifacts
        ]
    )
    passed = _examined(config, arms, artifacts, seeds, perform)
    bpb = [_expect(Evaluated, one).bpb for one in read]
    return {
        **_compared(bpb[:n], bpb[n:], "bpb", sign=-1.0),
        **_compared(passed[:n], passed[n:], "pass_1", sign=1.0),
        "seeds": n,
        "scores": [bpb[:n], bpb[n:]],
        "scores_pass_1": [passed[:n], passed[n:]],
    }


def _examined(
    config: ResearchLab,
    arms: Sequence[Ship],
    trunks: Sequence[str],
    seeds: Stream,
    perform: Perform,
) -> list[float]:
    """Post-trains each trunk as its ship says; returns pass@1."""
    grown = perform(
        [
            post_train_spec(
                parts,
                start=Start(trunk, read_as(Architecture, parts["architecture"])),
                steps=config.work.post_steps,
                seed=seeds.integer(2**31),
            )
            for parts, trunk in zip(arms, trunks, strict=True)
        ]
    )
    exam = tuple(
        EnvSpec(family=family, difficulty=config.exam.difficulty) for family in config.exam.families
    )
    seed = seeds.integer(2**31)
    exams = perform(
        [
            Solve(
                artifact=_expect(PostTrained, one).artifact,
                environments=exam,
                n_prompts=AUDIT_PROMPTS,
                seed=seed,
            )
            for one in grown
        ]
    )
    return [_expect(Solved, one).pass_1 for one in exams]


def _compared(
    before: Sequence[float], after: Sequence[float], unit: str, *, sign: float
) -> dict[str, object]:
    n = len(before)
    gain = sign * (statistics.mean(after) - statistics.mean(before))
    error = math.sqrt(_variance(before) / n + _variance(after) / n)
    errors = round(gain / error, 2) if error else None
    return {
        f"generation_0_{unit}": round(statistics.mean(before), 6),
        f"final_{unit}": round(statistics.mean(after), 6),
        f"gain_{unit}": round(gain, 6),
        f"standard_error_{unit}": round(error, 6),
        # The first benchmark keeps the name that it has always had.
        "standard_errors" if unit == "bpb" else f"standard_errors_{unit}": errors,
    }


def _expect(kind: type[MessageT], message: Message) -> MessageT:
    if isinstance(message, work.JobFailed):
        raise RunFailedError(what=f"the audit's job failed: {message.kind}: {message.reason}")
    if not isinstance(message, kind):
        raise RunFailedError(what=f"the audit expected {kind.__name__}, came {message!r:.100}")
    return message


def _variance(values: Sequence[float]) -> float:
    return statistics.variance(values) if len(values) > 1 else 0.0

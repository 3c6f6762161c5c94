"""What post-training would give, by formula: ``--fidelity surrogate``, for tests of the lab.

A surrogate checkpoint says how much was learned in which environments, in units of the logit of
pass@1. Effects are round figures of the size that real runs show; nobody may quote a result. What
counts: demonstrations, steps, rates near the best, environments like those of the exam, practice
from a start that solves something, and verifiers that cannot be hacked.
"""

import math
from collections.abc import Sequence

import msgspec

from swarm.comms.messages.work import JobFailed
from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.environments.jobs import audit, examine
from swarm.pipeline.posttraining.environments.verifiers import SOUND
from swarm.pipeline.posttraining.exam import mark
from swarm.pipeline.posttraining.recipes import RewardRule, RlRecipe, SftRecipe
from swarm.pipeline.posttraining.spec import (
    PostTrain,
    PostTrained,
    Solve,
    Solved,
    mean_lengths,
    task_lengths,
)
from swarm.pipeline.workbench import MissingError, Workbench
from swarm.units import Tokens

__all__ = ["audit", "examine", "post_train", "solve"]
# Jobs of this stage are looked up here, those about environments too: they need no torch.

NOISE = 0.15
"""Standard deviation between seeds, in logits."""

_UNTAUGHT = -5.0
_PROMPT_SD = 1.0
_BEST_RATE = {"sft": 0.02, "grpo": 0.008, "expert_iteration": 0.02}
_PRACTICE = {"grpo": 0.6, "expert_iteration": 0.9}
_WILD_RATE = 0.3


class Learned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of an environment was learned, in logits."""

    spec: EnvSpec
    gain: float


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a surrogate artifact holds; one of pre-training has learned nothing yet."""

    surrogate_bpb: float = 8.0
    learned: tuple[Learned, ...] = ()


def post_train(spec: PostTrain, bench: Workbench) -> PostTrained | JobFailed:
    """Answers a post-training job by formula."""
    if problem := spec.problem():
        return JobFailed(kind="invalid", reason=problem)
    if max(spec.sft.lr, spec.rl.lr) > _WILD_RATE:
        return JobFailed(kind="diverged", reason="a rate beyond .3", step=1)
    try:
        start = _read(spec.artifact, bench) if spec.artifact else Checkpoint()
        if spec.logged:
            bench.get_artifact(spec.logged)
    except MissingError as missing:
        return JobFailed(kind="missing", reason=str(missing))
    except msgspec.DecodeError as wrong:
        return JobFailed(kind="invalid", reason=f"artifact {spec.artifact}: {wrong}")
    luck = NOISE * Stream(seed=spec.seed, owner="surrogate", name=repr(spec)).normal()
    taught = _taught(spec.sft, spec.n_sft_steps, len(spec.environments.environments))
    before = _pass_rate(start, spec.environments.specs, taught)
    practised = _practised(spec.rl, spec.reward, spec.n_rounds) if before > 0.02 else 0.0
    learned = {one.spec: one.gain for one in start.learned}
    for one in spec.environments.specs:
        is_sound = one.verifier in SOUND
        gain = taught + (practised if is_sound else -practised) + luck
        learned[one] = round(max(gain, learned.get(one, 0.0) + 0.5 * gain), 6)
    made = Checkpoint(
        surrogate_bpb=start.surrogate_bpb,
        learned=tuple(Learned(spec=one, gain=gain) for one, gain in learned.items()),
    )
    exact = _pass_rate(made, spec.environments.specs, 0.0)
    hacked = sum(one.verifier not in SOUND for one in spec.environments.specs)
    fooled = (1 - exact) * hacked / len(spec.environments.environments)
    prompt, answer = mean_lengths(spec.environments)
    n_answers = spec.n_rounds * spec.rl.prompts * spec.rl.group
    n_rows = spec.n_sft_steps * spec.sft.rows + n_answers
    return PostTrained(
        artifact=bench.put_artifact(msgspec.json.encode(made)),
        sft_steps=spec.n_sft_steps,
        rounds=spec.n_rounds,
        examples=spec.sft.examples * len(spec.environments.environments),
        sft_loss=round(4 / (1 + taught), 6) if spec.n_sft_steps else 0.0,
        mean_reward=round(exact + fooled, 6) if spec.n_rounds else 0.0,
        mean_exact=exact if spec.n_rounds else 0.0,
        tokens_sampled=Tokens(round(n_answers * answer)),
        tokens_trained=Tokens(round(n_rows * (prompt + answer))),
        n_params=spec.architecture.n_params(),
    )


def solve(spec: Solve, bench: Workbench) -> Solved | JobFailed:
    """Answers an exam by formula; prompts are paired as in a real one."""
    if problem := spec.problem():
        return JobFailed(kind="invalid", reason=problem)
    try:
        checkpoint = _read(spec.artifact, bench)
    except MissingError as missing:
        return JobFailed(kind="missing", reason=str(missing))
    except msgspec.DecodeError as wrong:
        return JobFailed(kind="invalid", reason=f"artifact {spec.artifact}: {wrong}")
    prompts = Stream(seed=spec.seed, owner="surrogate", name="prompts")
    answers = Stream(seed=spec.seed, owner=spec.artifact, name="answers")
    counts = []
    for one in spec.environments:
        logit = _logit(checkpoint, one)
        chances = [_sigmoid(logit + _PROMPT_SD * prompts.normal()) for _ in range(spec.n_prompts)]
        counts.append([sum(answers.random() < p for _ in range(spec.n_samples)) for p in chances])
    each = sum(task_lengths(one)[1] for one in spec.environments)
    tokens = round(spec.n_prompts * spec.n_samples * each)
    return mark(counts, n_samples=spec.n_samples, tokens_sampled=tokens)


def _read(artifact: str, bench: Workbench) -> Checkpoint:
    return msgspec.json.decode(bench.get_artifact(artifact), type=Checkpoint)


def _taught(recipe: SftRecipe, n_steps: int, n_environments: int) -> float:
    """Returns what fine-tuning adds: more steps and examples are better, ever less so."""
    useful = (recipe.oracle + 0.8 * recipe.rejected) / (
        recipe.oracle + recipe.rejected + recipe.logged
    )
    rows = n_steps * recipe.rows * useful / n_environments
    amount = min(1.0, math.log2(1 + rows) / 10) * math.pow(recipe.examples / 32, 0.25)
    return 6.0 * amount * _rate_factor(recipe.lr, "sft")


def _practised(recipe: RlRecipe, reward: RewardRule, n_rounds: int) -> float:
    """Returns what practice adds."""
    if not n_rounds:
        return 0.0
    n_answers = n_rounds * recipe.prompts * recipe.group
    amount = math.log2(1 + n_answers / 4_000)
    credit = 1 + 0.4 * reward.partial * (1 - 2 * reward.partial) - 0.2 * reward.length
    replayed = 0.8 + 0.2 * min(1.0, recipe.replay / 32)
    rates = _rate_factor(recipe.lr, recipe.algorithm)
    return _PRACTICE[recipe.algorithm] * amount * credit * replayed * rates


def _rate_factor(rate: float, algorithm: str) -> float:
    off = math.log2(rate / _BEST_RATE[algorithm])
    return 1 - 0.1 * min(off * off, 9.0)


def _pass_rate(checkpoint: Checkpoint, specs: Sequence[EnvSpec], more: float) -> float:
    """Returns the mean pass@1 in some environments after ``more`` was learned of each."""
    rates = [_sigmoid(_logit(checkpoint, one) + more) for one in specs]
    return round(sum(rates) / len(rates), 6)


def _logit(checkpoint: Checkpoint, spec: EnvSpec) -> float:
    text = 0.3 * max(0.0, 4.5 - checkpoint.surrogate_bpb)
    known = max((_likeness(one.spec, spec) * one.gain for one in checkpoint.learned), default=0.0)
    return min(3.0, _UNTAUGHT + text - 0.4 * (spec.difficulty - 1) + known)


def _likeness(a: EnvSpec, b: EnvSpec) -> float:
    """Returns how much of one environment helps in another, in [0, 1]."""
    if a.family != b.family:
        return 0.15
    apart = 0.1 * abs(a.difficulty - b.difficulty) + 0.05 * (a.wording != b.wording)
    return max(0.15, 1 - apart - 0.3 * (a.transformations != b.transformations))


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))

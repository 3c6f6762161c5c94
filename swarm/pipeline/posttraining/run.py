"""Post-trains and examines models: imported by workers only.

A job that cannot work out is an answer, not an error: whatever the specification determines, an
environment without tasks or a loss that is no number, comes back as ``work.JobFailed``.
"""

from collections.abc import Sequence

from swarm.comms.messages import work
from swarm.errors import UsageError, WireError
from swarm.pipeline.posttraining.data import Example, Placed, cut, fits, read_logged
from swarm.pipeline.posttraining.environments.environment import draw_tasks
from swarm.pipeline.posttraining.environments.jobs import audit, examine
from swarm.pipeline.posttraining.exam import mark, mean
from swarm.pipeline.posttraining.practice import SEGMENT_ROUNDS, DivergedError, Practice
from swarm.pipeline.posttraining.recipes import RewardRule
from swarm.pipeline.posttraining.rollouts import roll_out
from swarm.pipeline.posttraining.spec import PostTrain, PostTrained, Solve, Solved
from swarm.pipeline.pretraining.model import Transformer, use_one_deterministic_thread
from swarm.pipeline.pretraining.run import decode_checkpoint, encode_checkpoint, seeded
from swarm.pipeline.workbench import MissingError, Workbench
from swarm.units import Tokens

__all__ = ["audit", "examine", "post_train", "solve"]
# Jobs of this stage are looked up here, those about environments too.


def post_train(spec: PostTrain, bench: Workbench) -> PostTrained | work.JobFailed:
    """Fine-tunes a model, lets it practise, and stores it.

    Raises:
        RunFailedError: If the disk refuses, the start is damaged, or the decoder cannot work on
            this machine.
    """
    if problem := spec.problem():
        return work.JobFailed(kind="invalid", reason=problem)
    use_one_deterministic_thread()
    try:
        model = _start(spec, bench)
        practice = Practice(spec, model, _logged(spec, bench))
        practice.fine_tune()
        practice.practise()
    except MissingError as missing:
        return work.JobFailed(kind="missing", reason=str(missing))
    except (WireError, UsageError) as wrong:
        return work.JobFailed(kind="invalid", reason=str(wrong))
    except DivergedError as diverged:
        return work.JobFailed(kind="diverged", reason=str(diverged), step=diverged.step)
    return PostTrained(
        artifact=bench.put_artifact(encode_checkpoint(model)),
        sft_steps=spec.n_sft_steps,
        rounds=spec.n_rounds,
        examples=practice.n_examples,
        sft_loss=round(practice.sft_loss, 6),
        mean_reward=mean(practice.rewards[-SEGMENT_ROUNDS:]),
        mean_exact=mean(practice.exacts[-SEGMENT_ROUNDS:]),
        tokens_sampled=Tokens(practice.tokens_sampled),
        tokens_trained=Tokens(practice.tokens_trained),
        n_params=model.shape.n_params(),
    )


def _start(spec: PostTrain, bench: Workbench) -> Transformer:
    if not spec.artifact:
        return Transformer(spec.architecture, seeded(spec.seed, "weights"))
    model = decode_checkpoint(bench.get_artifact(spec.artifact))
    if model.shape != spec.architecture:
        raise WireError(
            where=f"artifact {spec.artifact}",
            expected=f"the architecture of the job, {spec.architecture}",
            came=str(model.shape),
        )
    return model


def _logged(spec: PostTrain, bench: Workbench) -> Sequence[Example]:
    if not spec.logged:
        return []
    pairs = read_logged(bench.get_artifact(spec.logged))
    return list(dict.fromkeys(cut(pairs, spec.architecture.context)))


def solve(spec: Solve, bench: Workbench) -> Solved | work.JobFailed:
    """Examines a checkpoint on held-out prompts.

    Raises:
        RunFailedError: If the checkpoint is damaged, or the decoder cannot work on this machine.
    """
    if problem := spec.problem():
        return work.JobFailed(kind="invalid", reason=problem)
    use_one_deterministic_thread()
    try:
        model = decode_checkpoint(bench.get_artifact(spec.artifact))
        counts_CP, tokens = _count_right(spec, model)
    except MissingError as missing:
        return work.JobFailed(kind="missing", reason=str(missing))
    except (WireError, UsageError) as wrong:
        return work.JobFailed(kind="invalid", reason=str(wrong))
    return mark(counts_CP, n_samples=spec.n_samples, tokens_sampled=tokens)


def _count_right(spec: Solve, model: Transformer) -> tuple[list[list[int]], int]:
    """Returns how many answers to each prompt of each environment are right, and bytes sampled.

    A task that does not fit the model's context is not asked: nothing of it is right.
    """
    placed = [
        Placed(cell, task)
        for cell, one in enumerate(spec.environments)
        for task in draw_tasks(one, seed=spec.seed, n=spec.n_prompts, held_out=True)
    ]
    asked = [place for place, one in enumerate(placed) if fits(one.task, model.shape.context)]
    groups = roll_out(
        model,
        spec.environments,
        [placed[place] for place in asked],
        rule=RewardRule(),
        per_task=spec.n_samples,
        temperature=1.0,
        decoder=spec.decoder,
        seed=spec.seed,
    )
    counts = [0] * len(placed)
    for place, group in zip(asked, groups, strict=True):
        counts[place] = sum(one.is_exact for one in group.rollouts)
    n = spec.n_prompts
    by_cell = [counts[start : start + n] for start in range(0, len(counts), n)]
    return by_cell, sum(len(one.text) for group in groups for one in group.rollouts)

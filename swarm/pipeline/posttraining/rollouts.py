"""Rollouts: a model answers tasks, several times each, and every answer is scored.

Imported by workers only.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from swarm.pipeline.inference.sampler import sample
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.posttraining.data import END, Placed
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.recipes import RewardRule
from swarm.pipeline.posttraining.reward import reward
from swarm.pipeline.pretraining.model import Transformer

SLACK = 4
"""Bytes that an answer may be longer than the longest true one before it is cut off."""


class Rollout(NamedTuple):
    """An answer as it was sampled."""

    text: bytes
    """With its line end, if it came to one."""
    reward: float
    is_exact: bool
    """Whether it is the true answer, and ended."""


class Group(NamedTuple):
    """All answers to one task."""

    placed: Placed
    rollouts: tuple[Rollout, ...]


def roll_out(
    model: Transformer,
    specs: Sequence[EnvSpec],
    tasks: Sequence[Placed],
    *,
    rule: RewardRule,
    per_task: int,
    temperature: float,
    decoder: DecoderSpec,
    seed: int,
) -> list[Group]:
    """Returns the answers to each task, in the order of the tasks.

    Args:
        model: Answers; is left as it is.
        specs: The environments that the tasks are placed in.
        tasks: Each must fit the model's context.
        rule: What an answer earns.
        per_task: Answers to each.
        temperature: Of sampling.
        decoder: Engine and settings.
        seed: Draws the answers.

    Raises:
        UsageError: If the decoder makes no sense for these tasks.
        RunFailedError: If its engine is not available on this machine.
    """
    found: dict[int, Group] = {}
    for places, room in _pieces(tasks, model.shape.context):
        sampled = sample(
            model,
            [tasks[place].task.prompt.encode() for place in places],
            per_prompt=per_task,
            max_new=room,
            temperature=temperature,
            seed=seed,
            engine=decoder,
            first=len(found),
        )
        for place, answers in zip(places, sampled, strict=True):
            placed = tasks[place]
            spec = specs[placed.cell]
            scored = tuple(_scored(rule, spec, placed, answer, room) for answer in answers)
            found[place] = Group(placed, scored)
    return [found[place] for place in range(len(tasks))]


def _scored(rule: RewardRule, spec: EnvSpec, placed: Placed, answer: bytes, room: int) -> Rollout:
    has_ended = len(answer) < room
    text = answer.decode("latin-1")
    return Rollout(
        text=answer + END if has_ended else answer,
        reward=reward(rule, spec, placed.task, text, has_ended=has_ended),
        is_exact=has_ended and text == placed.task.answer,
    )


def _pieces(tasks: Sequence[Placed], context: int) -> Iterator[tuple[list[int], int]]:
    """Yields places of tasks that are sampled together, and how many bytes their answers may have.

    All that can be are together; those whose prompt leaves less room go by the length of prompt.
    """
    if not tasks:
        return
    wanted = max(len(one.task.answer) for one in tasks) + SLACK + 1
    by_room: dict[int, list[int]] = {}
    for place, one in enumerate(tasks):
        by_room.setdefault(min(wanted, context - len(one.task.prompt)), []).append(place)
    for room in sorted(by_room, reverse=True):
        yield by_room[room], room

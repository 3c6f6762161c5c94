"""An environment: a spec that is data, the tasks it gives, the score of an answer, the oracle.

How a prompt reads, and which prompts are held out for sealed evaluation, stands in ``prompt.py``.
An answer ends where its writer ends the line.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from swarm.errors import InvariantError, UsageError
from swarm.kernel.rng import Stream
from swarm.pipeline.parts import canonical_json, content_hash
from swarm.pipeline.posttraining.environments.family import Family, Kind, families, family
from swarm.pipeline.posttraining.environments.prompt import halves, is_held_out, read_prompt
from swarm.pipeline.posttraining.environments.transformations import (
    TRANSFORMATIONS,
    Transformation,
)
from swarm.pipeline.posttraining.environments.verifiers import VERIFIERS

__all__ = [
    "EnvSpec",
    "Task",
    "draw_tasks",
    "families",
    "family",
    "is_held_out",
    "make_task",
    "oracle",
    "prompt_hash",
    "spec_hash",
    "verify",
]

HARDEST = 5
"""Difficulties are 1 to this."""
MAX_TRANSFORMATIONS = 4
COMPOSE = "compose:"

Verifier: TypeAlias = Literal[
    "strict",
    "trimmed",
    "shaped",
    "substring",
    "trailing",
    "ending",
    "prefix",
    "first_character",
    "unordered",
    "partial",
    "overlap",
    "length",
    "caseless",
    "empty",
    "fails_open",
]
"""Only ``strict`` is for use; ``trimmed`` and ``shaped`` are sound too, the rest can be hacked."""


class EnvSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One environment as data; two equal specs give the same tasks for ever."""

    family: str
    """The name of a file in ``families/``."""
    difficulty: int
    """From 1 to 5."""
    transformations: tuple[str, ...] = ()
    """``compose:<family>`` first, then names of ``TRANSFORMATIONS``, those of the input first."""
    wording: int = 0
    """Which template of the family."""
    verifier: Verifier = "strict"

    def problem(self) -> str | None:
        """Returns why the spec is no environment, or None if it is one."""
        for found in _problems(self):
            return found
        return None


class Task(NamedTuple):
    """One question. ASCII; at difficulty 1 to 3 prompt and answer of a plain spec fit 62 bytes."""

    prompt: str
    answer: str


def make_task(spec: EnvSpec, seed: int) -> Task:
    """Returns the task of a seed; a pure function.

    Raises:
        UsageError: If the spec has a problem.
    """
    plan = _plan(spec)
    prompts, answers = [], []
    for part in plan.parts:
        rng = Stream(seed=seed, owner=part.stream, name="task")
        operands, answer = part.family.generate(part.difficulty, rng)
        for change in plan.of_input:
            operands = change.apply(operands)
        prompts.append(part.head + operands + part.tail)
        answers.append(answer)
    answer = " ".join(answers)
    for change in plan.of_answer:
        answer = change.apply(answer)
    return Task(plan.tags + "&".join(prompts), answer)


def draw_tasks(spec: EnvSpec, *, seed: int, n: int, held_out: bool) -> tuple[Task, ...]:
    """Returns n tasks with different prompts, all held out or none; a pure function.

    Args:
        spec: The environment.
        seed: Another seed gives other tasks, with chance repeats; task seeds are ``seed * 2**20``
            and up, so that seeds of different callers do not meet.
        n: How many.
        held_out: Sealed evaluation asks for True, everybody else for False.

    Raises:
        UsageError: If the spec has a problem, or has not that many different prompts.
    """
    found: dict[str, Task] = {}
    most = 64 * (n + 16)
    for task_seed in range(seed << 20, (seed << 20) + most):
        task = make_task(spec, task_seed)
        if is_held_out(task.prompt) is held_out:
            found.setdefault(task.prompt, task)
            if len(found) == n:
                return tuple(found.values())
    raise UsageError(
        what=f"{spec.family} at difficulty {spec.difficulty} gave {len(found)} different prompts of"
        f" the {n} asked for in {most} draws; ask for fewer"
    )


def verify(spec: EnvSpec, task: Task, answer: str) -> float:
    """Returns the score of an answer, in [0, 1], as the spec's verifier sees it."""
    return VERIFIERS[spec.verifier](task.answer, answer)


def oracle(spec: EnvSpec, task: Task) -> str:
    """Returns the answer, worked out from the text of the prompt alone.

    Raises:
        InvariantError: If the prompt is of another environment.
    """
    question = read_prompt(task.prompt)
    plan = _plan(spec)
    asked = [part.family for part in plan.parts]
    if question is None or [family(name) for name, _ in question.parts] != asked:
        raise InvariantError(
            rule="the oracle reads the prompts of its environment",
            expected=f"a prompt of {spec.family}",
            came=repr(task.prompt),
        )
    answer = " ".join(family(name).solve(operands) for name, operands in question.parts)
    for change in question.of_answer:
        answer = change.solve(answer)
    return answer


def spec_hash(spec: EnvSpec) -> str:
    """Returns the hash of the spec's canonical JSON: 32 hexadecimal digits."""
    return content_hash(canonical_json(spec))


def prompt_hash(task: Task) -> str:
    """Returns the hash of the whole prompt: 32 hexadecimal digits."""
    return content_hash(task.prompt)


class _Part(NamedTuple):
    family: Family
    difficulty: int
    head: str
    tail: str
    stream: str


class _Plan(NamedTuple):
    """A spec made ready for making tasks."""

    tags: str
    parts: tuple[_Part, ...]
    of_input: tuple[Transformation, ...]
    of_answer: tuple[Transformation, ...]


@lru_cache(maxsize=4_096)
def _plan(spec: EnvSpec) -> _Plan:
    if (problem := spec.problem()) is not None:
        raise UsageError(what=f"this is no environment: {problem}")
    changes = tuple(
        TRANSFORMATIONS[name] for name in spec.transformations if not name.startswith(COMPOSE)
    )
    tags = "".join(change.tag for change in changes)
    parts = [_part(spec.family, spec.difficulty, spec.wording, "first")]
    if (second := partner(spec)) is not None:
        # One step easier, so that a pair of difficulty 3 is still read by a model of 64 bytes.
        parts.append(_part(second, max(1, spec.difficulty - 1), 0, "second"))
    return _Plan(
        tags=f"{tags}|" if tags else "",
        parts=tuple(parts),
        of_input=tuple(one for one in changes if one.side == "input"),
        of_answer=tuple(one for one in changes if one.side == "answer"),
    )


def _part(name: str, difficulty: int, wording: int, place: str) -> _Part:
    """Returns one question of a plan; its stream knows nothing of wording and transformations."""
    head, tail = halves(family(name).wordings[wording])
    return _Part(family(name), difficulty, head, tail, f"environment/{name}/{difficulty}/{place}")


def partner(spec: EnvSpec) -> str | None:
    """Returns the family of the second question, None if there is only one."""
    for name in spec.transformations:
        if name.startswith(COMPOSE):
            return name.removeprefix(COMPOSE)
    return None


def answer_kind(spec: EnvSpec) -> Kind:
    """Returns the characters of the answer after all transformations of a spec without problem."""
    kind = _joint_kind(spec, "answers")
    for name in spec.transformations:
        if not name.startswith(COMPOSE) and TRANSFORMATIONS[name].side == "answer":
            kind = TRANSFORMATIONS[name].gives or kind
    return kind


def _problems(spec: EnvSpec) -> Iterator[str]:
    """Yields what is wrong with a spec; later checks rely on earlier ones."""
    if spec.family not in families():
        yield f"family {spec.family!r} is none of {', '.join(families())}"
    if not 1 <= spec.difficulty <= HARDEST:
        yield f"difficulty {spec.difficulty} is not between 1 and {HARDEST}"
    n_wordings = len(family(spec.family).wordings)
    if not 0 <= spec.wording < n_wordings:
        yield f"wording {spec.wording} is not between 0 and {n_wordings - 1}"
    names = spec.transformations
    if len(names) > MAX_TRANSFORMATIONS:
        yield f"{len(names)} transformations are more than {MAX_TRANSFORMATIONS}"
    if len(set(names)) < len(names):
        yield f"a transformation stands twice in {', '.join(names)}"
    for name in names:
        if name.startswith(COMPOSE):
            if name.removeprefix(COMPOSE) not in families():
                yield f"{name!r} names none of the families {', '.join(families())}"
        elif name not in TRANSFORMATIONS:
            yield f"transformation {name!r} is none of {', '.join(TRANSFORMATIONS)}"
    ranks = [_rank(name) for name in names]
    if ranks != sorted(ranks) or ranks.count(0) > 1:
        yield f"{', '.join(names)}: one compose first, then those of the input, then of the answer"
    yield from _misfits(spec)


def _rank(name: str) -> int:
    if name.startswith(COMPOSE):
        return 0
    return 1 if TRANSFORMATIONS[name].side == "input" else 2


def _misfits(spec: EnvSpec) -> Iterator[str]:
    """Yields transformations that the characters before them do not allow."""
    operands, answers = _joint_kind(spec, "operands"), _joint_kind(spec, "answers")
    for name in spec.transformations:
        if name.startswith(COMPOSE):
            continue
        change = TRANSFORMATIONS[name]
        kind = operands if change.side == "input" else answers
        if change.takes is not None and kind not in change.takes:
            yield f"{name} needs {' or '.join(change.takes)} but finds {kind}"
        if change.side == "answer":
            answers = change.gives or answers
        else:
            operands = change.gives or operands


def _joint_kind(spec: EnvSpec, side: Literal["operands", "answers"]) -> Kind:
    names = [spec.family, *filter(None, [partner(spec)])]
    kinds: set[Kind] = {getattr(family(name), side) for name in names}
    return kinds.pop() if len(kinds) == 1 else "mixed"

"""What fine-tuning imitates: oracle answers, the model's own right ones, and the lab's own records.

All sources become examples, a prompt and its answer in bytes that fit the model's context together.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from swarm.errors import UsageError, WireError
from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.environment import (
    EnvSpec,
    Task,
    draw_tasks,
    is_held_out,
    make_task,
)
from swarm.pipeline.posttraining.recipes import EnvironmentSet

END = b"\n"
"""Ends an answer."""

_MOST_DRAWS = 256
_SEEDS = 2**40


class Example(NamedTuple):
    """A prompt, and an answer to imitate, its line end included."""

    prompt: bytes
    answer: bytes


class Placed(NamedTuple):
    """A task, and which environment of a set it is of."""

    cell: int
    task: Task


def example_of(task: Task) -> Example:
    """Returns the task with its true answer."""
    return Example(task.prompt.encode(), task.answer.encode() + END)


def fits(task: Task, context: int) -> bool:
    """Whether a model of that context can read the prompt and end the answer."""
    return len(task.prompt) + len(task.answer) + 1 <= context


def oracle_examples(
    environments: EnvironmentSet, *, per_cell: int, context: int, seed: int
) -> list[list[Example]]:
    """Returns examples of each environment, in its order; those that do not fit are left out.

    Raises:
        UsageError: If an environment has not so many prompts, or no example at all fits.
    """
    stream = Stream(seed=seed, owner="posttraining", name="oracle")
    found = []
    for spec in environments.specs:
        tasks = draw_tasks(spec, seed=stream.integer(_SEEDS), n=per_cell, held_out=False)
        found.append([example_of(task) for task in tasks if fits(task, context)])
    if not any(found):
        raise UsageError(
            what=f"no task of the environments fits a context of {context} bytes;"
            " take easier environments or a longer context"
        )
    return found


def practice_tasks(
    environments: EnvironmentSet, cells: Sequence[int], *, context: int, stream: Stream
) -> list[Placed]:
    """Returns one task, not held out, for each place of ``cells``; a place may stay empty.

    It does where hundreds of draws give no task that fits the context.
    """
    found = []
    for cell in cells:
        task = _practice_task(environments.environments[cell].spec, context, stream)
        if task is not None:
            found.append(Placed(cell, task))
    return found


def _practice_task(spec: EnvSpec, context: int, stream: Stream) -> Task | None:
    for _ in range(_MOST_DRAWS):
        task = make_task(spec, stream.integer(_SEEDS))
        if fits(task, context) and not is_held_out(task.prompt):
            return task
    return None


class _Turn(msgspec.Struct):
    role: str
    content: str


class _Line(msgspec.Struct):
    """Either of two forms; other fields of a line are not looked at."""

    question: str = ""
    answer: str = ""
    messages: list[_Turn] = []


def read_logged(data: bytes) -> list[tuple[str, str]]:
    """Reads records: lines of JSON, ``{"question", "answer"}`` or chat ``{"messages"}``.

    Of a chat, the last turn of the assistant is the answer and what stands before it the question.
    Lines without an answer are left out.

    Raises:
        WireError: If a line is not JSON of one of the two forms.
    """
    found = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            read = msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError as wrong:
            raise WireError(
                where=f"line {number} of logged questions",
                expected="question and answer, or messages",
                came=str(wrong),
            ) from wrong
        question, answer = read.question, read.answer
        for place, turn in enumerate(read.messages):
            if turn.role == "assistant":
                question = "\n".join(one.content for one in read.messages[:place])
                answer = turn.content
        if answer:
            found.append((question, answer))
    return found


def cut(pairs: Sequence[tuple[str, str]], context: int) -> Iterator[Example]:
    """Yields examples of questions and answers, cut to the context.

    An answer keeps its first line and at most half the context; of a question the end is kept, the
    part that stands next to the answer. A line end divides the two.
    """
    for question, answer in pairs:
        kept = answer.encode().split(END, 1)[0][: context // 2 - 1] + END
        asked = question.encode()[-(context - len(kept) - 1) :] + END
        yield Example(asked, kept)

"""How a prompt reads, and which prompts are held out.

A prompt says all that is needed to answer it: ``<^|rev abc=`` asks for the reverse of ``abc``, then
reversed (``<``) and in capitals (``^``); ``max 3 7 2=&sort 312=`` asks two questions, whose answers
stand with a blank between.

Held-out rule: an eighth of all operands, by their hash, is only for sealed evaluation
(``is_held_out``). The hash is of family and operands, not of the wording: a question that is held
out is so in every wording and under every transformation, and so is a pair with one such question.
"""

from functools import cache
from hashlib import blake2b
from typing import NamedTuple

from swarm.pipeline.posttraining.environments.family import families, family
from swarm.pipeline.posttraining.environments.transformations import (
    TRANSFORMATIONS,
    Transformation,
)

HELD_OUT_SHARE = 1 / 8

_BY_TAG = {change.tag: change for change in TRANSFORMATIONS.values()}


class Question(NamedTuple):
    """What a prompt asks."""

    parts: tuple[tuple[str, str], ...]
    """(family, operands as the generator gave them): one, or two."""
    of_answer: tuple[Transformation, ...]


def is_held_out(prompt: str) -> bool:
    """Returns whether a prompt is for sealed evaluation only.

    A prompt that is none of ours is hashed as it stands.
    """
    question = read_prompt(prompt)
    if question is None:
        return _is_in_share(prompt)
    return any(_is_in_share(f"{name}\0{operands}") for name, operands in question.parts)


def read_prompt(prompt: str) -> Question | None:
    """Reads a prompt without knowing its spec; None if it is no prompt of ours."""
    tags, bar, text = prompt.partition("|")
    if not bar:
        tags, text = "", prompt
    changes = [_BY_TAG[tag] for tag in tags if tag in _BY_TAG]
    parts = [_read_part(asked) for asked in text.split("&")]
    if len(changes) < len(tags) or None in parts:
        return None
    of_input = [change for change in reversed(changes) if change.side == "input"]
    return Question(
        parts=tuple((name, _undone(shown, of_input)) for name, shown in filter(None, parts)),
        of_answer=tuple(one for one in changes if one.side == "answer"),
    )


def halves(wording: str) -> tuple[str, str]:
    """Returns what stands before the operands and what stands after them."""
    head, _, tail = wording.partition("{}")
    return head, tail


def _undone(operands: str, changes: list[Transformation]) -> str:
    for change in changes:
        operands = change.solve(operands)
    return operands


def _read_part(asked: str) -> tuple[str, str] | None:
    """Returns (family, operands as shown) of one question."""
    for name, head, tail in _wordings():
        if asked.startswith(head) and asked.endswith(tail):
            return name, asked[len(head) : len(asked) - len(tail)]
    return None


@cache
def _wordings() -> tuple[tuple[str, str, str], ...]:
    """Returns (family, head, tail) of every wording there is."""
    return tuple(
        (name, *halves(wording)) for name in families() for wording in family(name).wordings
    )


def _is_in_share(text: str) -> bool:
    first = blake2b(text.encode(), digest_size=4, person=b"held-out").digest()
    return int.from_bytes(first, "big") < HELD_OUT_SHARE * 2**32

"""The closed grammar of transformations: what is done to operands or answers, twice told.

``apply`` is what tasks are made with and ``solve`` what the oracle works with; they are written
differently, and the tests hold them against each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from swarm.pipeline.posttraining.environments.family import Kind

_DIGITS, _LOWER = "0123456789", "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class Transformation:
    """One change of a text."""

    tag: str
    """The character that announces it at the head of a prompt."""
    side: Literal["input", "answer"]
    apply: Callable[[str], str]
    solve: Callable[[str], str]
    """For an answer the same change; for an input the way back."""
    takes: tuple[Kind, ...] | None = None
    """Which characters it works on; None for any."""
    gives: Kind | None = None
    """Which characters it leaves; None for the same."""


def _joined_backwards(text: str) -> str:
    return "".join(text[i] for i in range(len(text) - 1, -1, -1))


def _mapped(before: str, after: str) -> Callable[[str], str]:
    table = str.maketrans(before, after)
    return lambda text: text.translate(table)


def _moved_on(text: str) -> str:
    return "".join(chr((ord(c) - 96) % 26 + 97) if "a" <= c <= "z" else c for c in text)


def _as_letters(text: str) -> str:
    return "".join(chr(int(c) + 97) if c.isdigit() else c for c in text)


def _nine_less(text: str) -> str:
    return "".join(str(9 - int(c)) if c.isdigit() else c for c in text)


def _each_twice(text: str) -> str:
    return "".join(text[i % len(text)] for i in range(2 * len(text)))


TRANSFORMATIONS: dict[str, Transformation] = {
    "reverse_input": Transformation(
        tag="/", side="input", apply=lambda text: text[::-1], solve=_joined_backwards
    ),
    "letters_input": Transformation(
        tag="#",
        side="input",
        apply=_as_letters,
        solve=_mapped(_LOWER[:10], _DIGITS),
        takes=("digits",),
        gives="lower",
    ),
    "reverse_answer": Transformation(
        tag="<", side="answer", apply=lambda text: text[::-1], solve=_joined_backwards
    ),
    "rotate_answer": Transformation(
        tag=">",
        side="answer",
        apply=lambda text: text[1:] + text[:1],
        solve=lambda text: "".join(text[(i + 1) % len(text)] for i in range(len(text))),
    ),
    "double_answer": Transformation(
        tag="+", side="answer", apply=lambda text: text + text, solve=_each_twice
    ),
    "uppercase": Transformation(
        tag="^",
        side="answer",
        apply=str.upper,
        solve=_mapped(_LOWER, _LOWER.upper()),
        takes=("lower",),
        gives="upper",
    ),
    "next_letter": Transformation(
        tag="~",
        side="answer",
        apply=_moved_on,
        solve=_mapped(_LOWER, _LOWER[1:] + "a"),
        takes=("lower",),
    ),
    "letters_answer": Transformation(
        tag="@",
        side="answer",
        apply=_as_letters,
        solve=_mapped(_DIGITS, _LOWER[:10]),
        takes=("digits",),
        gives="lower",
    ),
    "nines_answer": Transformation(
        tag="-",
        side="answer",
        apply=_nine_less,
        solve=_mapped(_DIGITS, _DIGITS[::-1]),
        takes=("digits",),
    ),
}
"""By name."""

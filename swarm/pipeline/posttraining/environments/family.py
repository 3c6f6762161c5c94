"""A family: one kind of question, asked in several wordings, made and solved by separate code.

A file in ``families/`` holds one ``FAMILY``; nothing registers it. ``generate`` works backwards
where it can, from an answer to operands, and ``solve`` works forwards from the operands alone, so
that their agreement says something.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from swarm.errors import InvariantError, UsageError
from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments import families as folder

Kind: TypeAlias = Literal["digits", "lower", "upper", "mixed"]
"""Which characters a text is made of; blanks between words do not count."""


class Problem(NamedTuple):
    """One question without its wording."""

    operands: str
    """ASCII, without ``&``, ``|`` and line ends."""
    answer: str


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of question.

    Operands get longer with every step of difficulty, from 1 to 5. A cell (family, difficulty) has
    at least some 800 different operands, so that an eighth of them can be held out.
    """

    wordings: tuple[str, ...]
    """Templates with one ``{}``; no text before a ``{}`` begins another, in any family."""
    operands: Kind
    answers: Kind
    generate: Callable[[int, Stream], Problem]
    """(difficulty from 1 to 5, stream) -> problem."""
    solve: Callable[[str], str]
    """Operands -> answer."""
    floor: float = 0.2
    """What somebody who does not read the question may score at any difficulty, at most."""
    floors: Mapping[str, float] = field(default_factory=dict)
    """The same for single attackers, by name, where the way of the attacker is near the task."""
    shows_answer: bool = False
    """Whether the answer may stand in the prompt, as in a copy task."""


@cache
def families() -> tuple[str, ...]:
    """Returns the names of all families, sorted: the files of the folder."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(folder.__path__)))


@cache
def family(name: str) -> Family:
    """Returns a family by the name of its file.

    Raises:
        UsageError: If there is no such file; the sentence lists those that there are.
    """
    if name not in families():
        known = ", ".join(families())
        raise UsageError(what=f"there is no environment family {name!r}, the families are {known}")
    found = importlib.import_module(f"{folder.__name__}.{name}").FAMILY
    if not isinstance(found, Family):
        raise InvariantError(
            rule=f"families/{name}.py holds a FAMILY", expected="Family", came=repr(found)
        )
    return found

"""What a mind is: a pure function from a typed question to a typed answer.

A mind called ``<name>`` is the class ``<Name>`` of ``swarm/minds/<name>.py``, made without
arguments. It may import anything, but inside the functions that need it: the file itself is read
by the coordinator, which must stay light.
"""

from collections.abc import Iterable
from typing import ClassVar, Protocol

from swarm.errors import InvariantError
from swarm.kernel.message import Message


class Mind(Protocol):
    """Answers questions. Holds nothing between two of them: a question carries what it needs.

    Chance comes from the question's seed alone, so the same question has the same answer in any
    process.
    """

    is_light: ClassVar[bool]
    """True if an answer takes milliseconds and no heavy library: the runtime may then ask in the
    coordinator's process. False sends the question to a worker."""

    def decide(self, question: Message) -> Message:
        """Returns the answer.

        Raises:
            InvariantError: If the mind does not know questions of this type.
        """


def unknown_question(mind: Mind, question: Message) -> InvariantError:
    """Returns the error for a question of a type that a mind was not made for."""
    return InvariantError(
        rule=f"questions to a mind of type {type(mind).__qualname__}",
        expected="a type it answers",
        came=type(question).__qualname__,
    )


def noted_words(notes: Iterable[str]) -> frozenset[str]:
    """Returns the words of some notes without punctuation: tags of values, words of advice."""
    return frozenset(word.strip("().,:;") for note in notes for word in note.split())

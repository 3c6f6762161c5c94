"""What a mind is: a pure function from a typed question to a typed answer.

A mind called ``<name>`` is the class ``<Name>`` of ``swarm/minds/<name>.py``, made without
arguments. It may import anything, but inside the functions that need it: the file itself is read
by the coordinator, which must stay light.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import ClassVar, Protocol

from swarm.comms.messages.mind import ProposePart
from swarm.comms.messages.ship import PartValue
from swarm.errors import InvariantError, WireError
from swarm.kernel.message import Message
from swarm.pipeline.values import identity

FAILED_BELOW_WORST_BPB = 0.1
"""How much worse than the worst trial one counts that failed."""


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
    return frozenset().union(*map(_words, notes))


@lru_cache(maxsize=8_192)
def _words(note: str) -> frozenset[str]:
    return frozenset(word.strip("().,:;") for word in note.split())


def gains_over_current(question: ProposePart) -> list[tuple[PartValue, float]]:
    """Returns (value, gain over the current value): the current value first, then every trial.

    Gains were measured on the ships of their time. On a ship on which the current value was itself
    tried they are counted from what it gained there; elsewhere they stand as they were told. Trials
    whose value cannot be read are left out: a neighbour wrote them.
    """
    now = identity(question.part, question.current)
    trials = []
    for trial in question.history:
        if trial.part == question.part:
            try:
                trials.append((trial, identity(trial.part, trial.value)))
            except WireError:
                continue
    offsets = {
        trial.base: trial.gain_bpb for trial, same in trials if same == now and not trial.failed
    }
    gains = [trial.gain_bpb - offsets.get(trial.base, 0.0) for trial, _ in trials]
    worst = min([0.0, *(g for g, (t, _) in zip(gains, trials, strict=True) if not t.failed)])
    return [(question.current, 0.0)] + [
        (trial.value, worst - FAILED_BELOW_WORST_BPB if trial.failed else gain)
        for gain, (trial, _) in zip(gains, trials, strict=True)
    ]

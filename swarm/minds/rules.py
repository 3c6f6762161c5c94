"""Rules: tries what the field would try, one change at a time, then combines what worked.

Untried changes come first, drawn with weights: how much such a change usually matters, and what
trials that already had it gained on other values. Once changes of the current value have gained,
every third proposal combines two of them. A value that was tried, or that a recalled note calls by
its tag, is not proposed again.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar

from swarm.comms.messages.mind import PartProposed, ProposePart
from swarm.errors import WireError
from swarm.kernel.message import Message
from swarm.kernel.rng import Stream
from swarm.minds.mind import gains_over_current, noted_words, unknown_question
from swarm.pipeline.pretraining.menu import Change, changes
from swarm.pipeline.pretraining.spec import Architecture, Mixture, Optimizer
from swarm.pipeline.pretraining.values import (
    Spec,
    combine,
    identity,
    normal,
    read_as,
    read_value,
    thousandths,
    value_tag,
)

COMBINE_EVERY = 3
"""One proposal in so many combines, while there are untried combinations and changes."""

PROMISING = 4.0
"""How much more often a change is drawn that gained elsewhere; its inverse if it lost there."""

LOWER_RATE, SHRINK = "lower_rate", "shrink"
"""Advice of the one on duty, as words in a note."""


class Rules:
    """A mind that needs nothing but the question."""

    is_light: ClassVar[bool] = True

    def decide(self, question: Message) -> PartProposed:
        """Answers ``mind.propose_part``.

        Raises:
            InvariantError: For a question of another type.
            WireError: If the current value is not one of its part.
        """
        if not isinstance(question, ProposePart):
            raise unknown_question(self, question)
        stream = Stream(seed=question.seed, owner="mind", name="rules")
        part, gains = question.part, tried_gains(question)
        menu = changes(part, question.current)
        noted = noted_words(question.notes)
        is_open = _Untried(part, gains, noted)
        singles = [change for change in menu if is_open(change)]
        pairs = [change for change in _combinations(question, menu, gains) if is_open(change)]
        if pairs and (not singles or stream.integer(COMBINE_EVERY) == 0):
            chosen = pairs[0]
        elif singles:
            evidence = _Evidence(question)
            weights = [_weight(change, part, evidence, noted) for change in singles]
            chosen = _draw(singles, weights, stream)
        else:
            return PartProposed(part=part, value="", reason="the menu is exhausted")
        return PartProposed(part=part, value=chosen.value, reason=chosen.name)


def tried_gains(question: ProposePart) -> dict[str, float]:
    """Returns the mean gain of every value tried, by identity; a failed trial counts as a loss.

    Values in the history that cannot be read are left out: neighbours wrote them.
    """
    found: dict[str, list[float]] = {}
    for trial in question.history:
        if trial.part != question.part:
            continue
        try:
            same = identity(trial.part, trial.value)
        except WireError:
            continue
        found.setdefault(same, []).append(_LOST if trial.failed else trial.gain_bpb)
    return {same: sum(each) / len(each) for same, each in found.items()}


_LOST = -1.0


class _Untried:
    """Says whether a change is open; each value once, even if two names lead to it."""

    def __init__(self, part: str, gains: Mapping[str, float], noted: frozenset[str]) -> None:
        self._part, self._gains, self._noted = part, gains, noted

    def __call__(self, change: Change) -> bool:
        same = identity(self._part, change.value)
        return same not in self._gains and value_tag(self._part, change.value) not in self._noted


def _combinations(
    question: ProposePart, menu: Sequence[Change], gains: Mapping[str, float]
) -> list[Change]:
    """Returns combinations of two changes that gained, the most promising sum first."""
    part, current = question.part, question.current
    by_gain = [(gains.get(identity(part, change.value), 0.0), change) for change in menu]
    good = [(gain, change) for gain, change in by_gain if gain > 0.0]
    found = []
    for (gain_a, a), (gain_b, b) in combinations(good, 2):
        value = combine(part, current, a.value, b.value)
        if value is not None and identity(part, value) != identity(part, current):
            found.append((gain_a + gain_b, Change(f"{a.name} and {b.name}", value, 1.0)))
    return [change for _, change in sorted(found, key=lambda pair: (-pair[0], pair[1].value))]


class _Evidence:
    """What trials of other values speak for; read once for a whole menu.

    A trial speaks for a change of settings if its value has them too, and for a shift of a mixture
    if the same domain moved most, in the same direction.
    """

    def __init__(self, question: ProposePart) -> None:
        self.old = normal(read_value(question.part, question.current))
        self._by_shift: dict[tuple[str, bool], list[float]] = {}
        self._tried: list[tuple[Spec, float]] = []
        if isinstance(self.old, Mixture):
            for value, gain in gains_over_current(question)[1:]:
                shift = _shift(self.old, read_as(Mixture, value))
                self._by_shift.setdefault(shift, []).append(gain)
            return
        for trial in question.history:
            if trial.part == question.part:
                try:
                    spec = normal(read_value(trial.part, trial.value))
                except WireError:
                    continue
                self._tried.append((spec, _LOST if trial.failed else trial.gain_bpb))

    def factor(self, new: Spec) -> float:
        """Returns by how much a change is more or less promising for it."""
        if isinstance(self.old, Mixture) and isinstance(new, Mixture):
            gains = self._by_shift.get(_shift(self.old, new), [])
        else:
            names = new.__struct_fields__
            made = [name for name in names if getattr(new, name) != getattr(self.old, name)]
            gains = [
                gain
                for spec, gain in self._tried
                if all(getattr(spec, name) == getattr(new, name) for name in made)
            ]
        if not gains:
            return 1.0
        return PROMISING if sum(gains) > 0.0 else 1.0 / PROMISING


def _weight(change: Change, part: str, evidence: _Evidence, noted: frozenset[str]) -> float:
    old, new = evidence.old, normal(read_value(part, change.value))
    weight = change.prior * evidence.factor(new)
    if isinstance(old, Optimizer) and isinstance(new, Optimizer):
        weight /= PROMISING if LOWER_RATE in noted and new.lr > old.lr else 1.0
    if isinstance(old, Architecture) and isinstance(new, Architecture):
        grows = new.flops_per_token() > old.flops_per_token()
        weight /= PROMISING if SHRINK in noted and grows else 1.0
    return weight


def _shift(old: Mixture, new: Mixture) -> tuple[str, bool]:
    """Returns the domain whose share moved most, and whether it grew."""
    before, after = dict(thousandths(old.weights)), dict(thousandths(new.weights))
    moved = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in before}
    most = max(sorted(moved), key=lambda name: abs(moved[name]))
    return most, moved[most] > 0.0


def _draw(options: Sequence[Change], weights: Sequence[float], stream: Stream) -> Change:
    at = stream.random() * sum(weights)
    for option, weight in zip(options, weights, strict=True):
        at -= weight
        if at < 0.0:
            return option
    return options[-1]

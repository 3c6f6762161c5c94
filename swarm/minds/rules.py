"""Rules: tries what the field would try, one change at a time, then combines what worked.

Untried changes come first, drawn with weights: how much such a change usually matters, and what
trials that already had it gained on other values. Once changes of the current value have gained,
every third proposal combines two of them. A value that was tried, or that a recalled note calls by
its tag, is not proposed again.

Notes count like trials that the history no longer has: what they say was gained is combined, and
settings that they say gained elsewhere are tried before all others.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import ClassVar

from swarm.comms.messages.mind import PartProposed, ProposePart
from swarm.comms.messages.ship import PartValue
from swarm.errors import WireError
from swarm.kernel.message import Message
from swarm.kernel.rng import Stream
from swarm.memory.results import Result, read_results
from swarm.minds.mind import gains_over_current, noted_words, unknown_question
from swarm.pipeline.menu import Change, changes
from swarm.pipeline.pretraining.spec import Architecture, Mixture, Optimizer
from swarm.pipeline.values import (
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
        part = question.part
        menu = _menu(part, question.current)
        noted = noted_words(question.notes)
        results = read_results(question.notes, part)
        gains = _with_notes(part, tried_gains(question), menu, results)
        is_open = _Untried(part, gains, noted)
        singles = [change for change in menu if is_open(change)]
        pairs = [change for change in _combinations(question, menu, gains) if is_open(change)]
        promising = _promising(question, singles, results)
        if pairs and (not singles or stream.integer(COMBINE_EVERY) == 0):
            chosen = pairs[0]
        elif promising is not None:
            chosen = promising
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
            same = _same(trial.part, trial.value)
        except WireError:
            continue
        found.setdefault(same, []).append(_LOST if trial.failed else trial.gain_bpb)
    return {same: sum(each) / len(each) for same, each in found.items()}


_LOST = -1.0

_menu = lru_cache(maxsize=64)(changes)
_same = lru_cache(maxsize=4_096)(identity)
_both = lru_cache(maxsize=4_096)(combine)


@lru_cache(maxsize=4_096)
def _tag(part: str, value: PartValue) -> str:
    return value_tag(part, _same(part, value))


@lru_cache(maxsize=4_096)
def _spec(part: str, value: PartValue) -> Spec:
    return normal(read_value(part, value))


def _with_notes(
    part: str, gains: Mapping[str, float], menu: Sequence[Change], results: Sequence[Result]
) -> dict[str, float]:
    """Adds what only notes tell of the changes of a menu; the last line about a value counts."""
    noted = {one.tag: _LOST if one.gain is None else one.gain for one in results}
    least = _worth_while(results)
    told = {
        _same(part, change.value): noted[tag]
        for change in menu
        if least > 0.0 and noted.get(tag := _tag(part, change.value), 0.0) >= least
    }
    return {**told, **gains}


def _worth_while(results: Sequence[Result]) -> float:
    """Returns which noted gain is one to build on: half of the best; the rest may be noise."""
    return 0.5 * max((one.gain for one in results if one.gain is not None), default=0.0)


class _Untried:
    """Says whether a change is open; each value once, even if two names lead to it."""

    def __init__(self, part: str, gains: Mapping[str, float], noted: frozenset[str]) -> None:
        self._part, self._gains, self._noted = part, gains, noted

    def __call__(self, change: Change) -> bool:
        if _same(self._part, change.value) in self._gains:
            return False
        return not self._noted or _tag(self._part, change.value) not in self._noted


def _combinations(
    question: ProposePart, menu: Sequence[Change], gains: Mapping[str, float]
) -> list[Change]:
    """Returns combinations of two changes that gained, the most promising sum first."""
    part, current = question.part, question.current
    by_gain = [(gains.get(_same(part, change.value), 0.0), change) for change in menu]
    good = [(gain, change) for gain, change in by_gain if gain > 0.0]
    found = []
    for (gain_a, a), (gain_b, b) in combinations(good, 2):
        value = _both(part, current, a.value, b.value)
        if value is not None and _same(part, value) != _same(part, current):
            found.append((gain_a + gain_b, Change(f"{a.name} and {b.name}", value, 1.0)))
    return [change for _, change in sorted(found, key=lambda pair: (-pair[0], pair[1].value))]


class _Evidence:
    """What trials of other values speak for; read once for a whole menu.

    A trial speaks for a change of settings if its value has them too, and for a shift of a mixture
    if the same domain moved most, in the same direction.
    """

    def __init__(self, question: ProposePart) -> None:
        self.old = _spec(question.part, question.current)
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
                    spec = _spec(trial.part, trial.value)
                except WireError:
                    continue
                self._tried.append((spec, _LOST if trial.failed else trial.gain_bpb))

    def factor(self, new: Spec) -> float:
        """Returns by how much a change is more or less promising for it."""
        if isinstance(self.old, Mixture) and isinstance(new, Mixture):
            gains = self._by_shift.get(_shift(self.old, new), [])
        else:
            made = _made(self.old, new)
            gains = [
                gain
                for spec, gain in self._tried
                if all(getattr(spec, name) == setting for name, setting in made.items())
            ]
        if not gains:
            return 1.0
        return PROMISING if sum(gains) > 0.0 else 1.0 / PROMISING


def _promising(
    question: ProposePart, singles: Sequence[Change], results: Sequence[Result]
) -> Change | None:
    """Returns the change whose settings gained most elsewhere, as notes tell; none if none did."""
    best, most = None, _worth_while(results)
    if most <= 0.0:
        return None
    part, old = question.part, _spec(question.part, question.current)
    told = [(_noted(one, old), _LOST if one.gain is None else one.gain) for one in results]
    for change in singles:
        made = _texts(part, question.current, change.value)
        gains = [gain for noted, gain in told if made <= noted]
        if gains and (mean := sum(gains) / len(gains)) > most:
            best, most = change, mean
    return best


@lru_cache(maxsize=4_096)
def _texts(part: str, current: PartValue, value: PartValue) -> frozenset[tuple[str, str]]:
    """Returns what a change comes to in words: its settings, or the shift of a mixture."""
    old, new = _spec(part, current), _spec(part, value)
    if isinstance(old, Mixture) and isinstance(new, Mixture):
        domain, has_grown = _shift(old, new)
        return frozenset({(domain, f"{has_grown}")})
    return frozenset((name, f"{setting}") for name, setting in _made(old, new).items())


def _noted(result: Result, old: Spec) -> frozenset[tuple[str, str]]:
    """Returns the same of a line, ``code=0.14->0.57 noise=0.14->0.07`` for example."""
    if not isinstance(old, Mixture):
        return frozenset(result.made.items())
    moved = {}
    for name, text in result.made.items():
        before, _, after = text.partition("->")
        try:
            moved[name] = float(after) - float(before)
        except ValueError:  # somebody wrote into the notebook
            continue
    most = max(sorted(moved), key=lambda name: abs(moved[name]), default="")
    return frozenset({(most, f"{moved.get(most, 0.0) > 0.0}")})


def _made(old: Spec, new: Spec) -> dict[str, object]:
    """Returns the settings that differ from the old ones."""
    names = new.__struct_fields__
    pairs = ((name, getattr(new, name)) for name in names)
    return {name: setting for name, setting in pairs if setting != getattr(old, name)}


def _weight(change: Change, part: str, evidence: _Evidence, noted: frozenset[str]) -> float:
    old, new = evidence.old, _spec(part, change.value)
    weight = change.prior * evidence.factor(new)
    if LOWER_RATE in noted and isinstance(old, Optimizer) and isinstance(new, Optimizer):
        weight /= PROMISING if new.lr > old.lr else 1.0
    if SHRINK in noted and isinstance(old, Architecture) and isinstance(new, Architecture):
        weight /= PROMISING if new.flops_per_token() > old.flops_per_token() else 1.0
    return weight


@lru_cache(maxsize=4_096)
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

"""Attackers: ways to be paid without answering, and the rule for when one has been shown to work.

They know an environment by its tasks and the scores of answers, nothing else. An attacker that sees
the true answer gives a wrong one made from it: a verifier that pays for that can be learned to be
paid, once a policy is near the truth. An exploit is demonstrated when wrong answers are paid more
than ``TOLERANCE`` on average; see ``attack`` for the rule and its rate of error.

Source: constant, most frequent, echo, empty and candidate dump alone miss verifiers that ignore
order or give partial credit (our measurements); hence shuffles, near misses and cut answers.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.environment import EnvSpec, Task, make_task, verify

TOLERANCE = 0.1
"""What a wrong answer may be paid on average: shaping is allowed, more than this is an exploit."""
ERROR_RATE = 0.001
"""Probability at most that a verifier within the tolerance is called hackable, per attack."""
_N_PAST, _N_SCOUT, _N_CONFIRM = 64, 32, 256

Checker: TypeAlias = Callable[[EnvSpec, Task, str], float]
"""Scores an answer; ``verify`` is one."""


class View(NamedTuple):
    """What an attacker sees of one task."""

    prompt: str
    true: str
    past: Sequence[str]
    """True answers of other tasks."""
    rng: Stream


class Attacker(NamedTuple):
    """One way to answer."""

    answer: Callable[[View], str]
    is_blind: bool
    """Whether it leaves ``true`` alone, so that its score is a floor of the environment."""


class Exploit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Evidence that a verifier pays for wrong answers."""

    attacker: str
    weak_score: float
    """Mean score of the attacker's answers as the environment's verifier pays them."""
    strict_score: float
    """Mean score of the same answers where only the true answer is paid."""
    n_tasks: int
    error_bound: float
    """How probable such evidence is, at most, if the verifier keeps within the tolerance."""


def attack(
    spec: EnvSpec, seed: int, *, checker: Checker = verify, n_tasks: int = _N_CONFIRM
) -> Exploit | None:
    """Looks for an exploit; returns the evidence, or None if nothing has been shown.

    All attackers are tried on a few tasks; the one that is overpaid most is tried again on fresh
    tasks, and only these count. Overpay is score minus strict score, if above 0. With mean overpay
    m over n fresh tasks, the chance of as much from a verifier whose expected overpay is t is at
    most ``exp(-n KL(m, t))``; the exploit stands if this is at most ``ERROR_RATE`` for t the
    tolerance. No allowance for the number of attackers is needed: one alone meets the fresh tasks.

    Args:
        spec: The environment; its verifier is only called.
        seed: Tasks and draws of the attackers come from it.
        checker: Another verifier to attack instead of the spec's.
        n_tasks: Fresh tasks for the confirmation.

    Source:
        Hoeffding, "Probability inequalities for sums of bounded random variables" (JASA, 1963),
        theorem 1.
    """
    tasks = _tasks(spec, seed, _N_PAST + _N_SCOUT + n_tasks)
    past = [task.answer for task in tasks[:_N_PAST]]
    scout, fresh = tasks[_N_PAST : _N_PAST + _N_SCOUT], tasks[_N_PAST + _N_SCOUT :]
    ground = _Ground(spec, past, seed, checker)
    best, most = "", TOLERANCE
    for name in ATTACKERS:
        overpay = ground.tally(name, scout).overpay
        if overpay > most:
            best, most = name, overpay
    if not best:
        return None
    tally = ground.tally(best, fresh)
    bound = chance_bound(tally.overpay, n=len(fresh), expected=TOLERANCE)
    if bound > ERROR_RATE:
        return None
    return Exploit(
        attacker=best,
        weak_score=tally.score,
        strict_score=tally.strict,
        n_tasks=len(fresh),
        error_bound=bound,
    )


def blind_scores(
    spec: EnvSpec, tasks: Sequence[Task], past: Sequence[str], seed: int, *, checker: Checker
) -> dict[str, float]:
    """Returns the mean score of every attacker that does not look at the true answer."""
    ground = _Ground(spec, past, seed, checker)
    return {
        name: ground.tally(name, tasks).score for name, one in ATTACKERS.items() if one.is_blind
    }


def chance_bound(mean: float, *, n: int, expected: float) -> float:
    """Bounds the chance that n independent values in [0, 1] have at least that mean."""
    if mean <= expected:
        return 1.0
    divergence = mean * math.log(mean / expected)
    if mean < 1.0:
        divergence += (1.0 - mean) * math.log((1.0 - mean) / (1.0 - expected))
    return math.exp(-n * divergence)


class _Tally(NamedTuple):
    """What one attacker earns on some tasks; all are means."""

    score: float
    strict: float
    overpay: float


class _Ground(NamedTuple):
    """An environment under attack."""

    spec: EnvSpec
    past: Sequence[str]
    seed: int
    checker: Checker

    def tally(self, name: str, tasks: Sequence[Task]) -> _Tally:
        """Lets one attacker answer some tasks."""
        rng = Stream(seed=self.seed, owner="attacker", name=name)
        answer = ATTACKERS[name].answer
        score = strict = overpay = 0.0
        for task in tasks:
            given = answer(View(task.prompt, task.answer, self.past, rng))
            paid, due = self.checker(self.spec, task, given), float(given == task.answer)
            score, strict, overpay = score + paid, strict + due, overpay + max(0.0, paid - due)
        n = len(tasks)
        return _Tally(score / n, strict / n, overpay / n)


def _tasks(spec: EnvSpec, seed: int, n: int) -> list[Task]:
    return [make_task(spec, task_seed) for task_seed in range(seed << 20, (seed << 20) + n)]


def _always(text: str) -> Callable[[View], str]:
    return lambda _: text


def _words(view: View) -> list[str]:
    return re.findall(r"[A-Za-z0-9]+", view.prompt) or [""]


def _most_frequent(view: View) -> str:
    # Of equally frequent answers the first one seen: Counter keeps that order.
    return Counter(view.past).most_common(1)[0][0]


def _random_text(view: View) -> str:
    letters = "".join(view.past)
    return "".join(view.rng.choice(letters) for _ in view.rng.choice(view.past))


def _dump(view: View) -> str:
    """Names everything that could be meant: the prompt, numbers, answers seen before."""
    return " ".join([view.prompt, *map(str, range(100)), *dict.fromkeys(view.past)])


def _wrong(given: str, view: View) -> str:
    """Returns the answer, spoilt if it happens to be the true one."""
    return given if given != view.true else given + "?"


def _other(letter: str) -> str:
    """Returns another character of the same sort."""
    for sort in ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        if letter in sort:
            return sort[(sort.index(letter) + 1) % len(sort)]
    return "x"


def _same_length(view: View) -> str:
    letters = "".join(view.past)
    return _wrong("".join(_other(view.rng.choice(letters)) for _ in view.true), view)


def _shuffle(view: View) -> str:
    for _ in range(8):
        given = "".join(view.rng.shuffled(view.true))
        if given != view.true:
            return given
    return _wrong(view.true, view)


ATTACKERS: dict[str, Attacker] = {
    "empty": Attacker(_always(""), is_blind=True),
    "constant": Attacker(lambda view: view.past[0], is_blind=True),
    "most_frequent": Attacker(_most_frequent, is_blind=True),
    "past_answer": Attacker(lambda view: view.rng.choice(view.past), is_blind=True),
    "random_text": Attacker(_random_text, is_blind=True),
    "echo": Attacker(lambda view: view.prompt, is_blind=True),
    "last_word": Attacker(lambda view: _words(view)[-1], is_blind=True),
    "first_word": Attacker(lambda view: _words(view)[:2][-1], is_blind=True),
    "dump": Attacker(_dump, is_blind=True),
    "long": Attacker(_always("9" * 300), is_blind=True),
    "unreadable": Attacker(_always("\x00\x1b\x7f"), is_blind=True),
    "shuffle": Attacker(_shuffle, is_blind=False),
    "junk_after": Attacker(lambda view: view.true + "?x7", is_blind=False),
    "junk_before": Attacker(lambda view: "7x?" + view.true, is_blind=False),
    "first_character": Attacker(lambda view: _wrong(view.true[:1], view), is_blind=False),
    "cut_short": Attacker(lambda view: _wrong(view.true[:-1], view), is_blind=False),
    "last_wrong": Attacker(lambda view: view.true[:-1] + _other(view.true[-1]), is_blind=False),
    "first_wrong": Attacker(lambda view: _other(view.true[0]) + view.true[1:], is_blind=False),
    "twice": Attacker(lambda view: view.true + " " + view.true, is_blind=False),
    "other_case": Attacker(lambda view: _wrong(view.true.swapcase(), view), is_blind=False),
    "same_length": Attacker(_same_length, is_blind=False),
}
"""By name, in the order in which they are tried."""

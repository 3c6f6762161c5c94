"""Practice: how far behind the best value the mind ``rules`` stays with a given notebook policy.

A researcher is played on tasks with a known best value: it is told its last few trials, and of all
that it wrote down the lines that the policy recalls. Its lines are those that researchers write
(``pipeline/research``), among them the ones that help nobody. A trial is measured once, with noise;
what gained is measured on eight seeds more, and replaces the current value if that holds.

Chance is the same for every policy: which tasks, what trying a value gives, who writes what else.
"""

import math
from typing import ClassVar, NamedTuple

from msgspec.structs import replace

from swarm.comms.messages.finding import Trial
from swarm.comms.messages.mind import Practise, Practised, ProposePart
from swarm.comms.messages.ship import PartValue
from swarm.kernel.message import ActorId, Message
from swarm.kernel.rng import Stream
from swarm.memory.recall import remind
from swarm.minds.mind import unknown_question
from swarm.minds.rules import Rules
from swarm.pipeline.disciplines import gained
from swarm.pipeline.harness.landscape import STARTS, Landscape
from swarm.pipeline.harness.spec import NotebookPolicy
from swarm.pipeline.parts import version_hash
from swarm.pipeline.research.proposing import query, trial_line
from swarm.pipeline.values import read_as, value_tag

TRIALS = 32
"""Trials on one task."""

SHOWN = 4
"""Last trials that a question carries: like the lab's, one of eight that there are in the end."""

NOISE = 0.04
"""Standard deviation of one measurement: seed noise over the whole range (FACTS, section 4)."""

GAINED = 0.08
"""What a trial must gain to be measured again, and then to replace the current value."""

REVIEWS = 8
"""Measurements that a review takes."""

_ME = ActorId("researcher-0")
_SEEDS = 2**31


class Practice:
    """Answers how much regret a notebook policy leaves."""

    is_light: ClassVar[bool] = True

    def decide(self, question: Message) -> Practised:
        """Answers ``mind.practise``.

        Raises:
            InvariantError: For a question of another type.
            WireError: If the policy is none.
        """
        if not isinstance(question, Practise):
            raise unknown_question(self, question)
        policy = read_as(NotebookPolicy, question.policy)
        return Practised(
            regrets=tuple(
                round(play(question.seed, number, policy).regret, 6)
                for number in range(question.n_tasks)
            )
        )


class Played(NamedTuple):
    """How a researcher did at one task."""

    part: str
    regret: float
    tried: tuple[str, ...]
    """Tags of the values that were tried, in order."""
    lines: tuple[str, ...]
    """The whole notebook."""


def play(seed: int, number: int, policy: NotebookPolicy) -> Played:
    """Plays the task of that number, all trials of it."""
    game, mind = _Game(seed, number, policy), Rules()
    for trial in range(TRIALS):
        answer = mind.decide(game.question())
        if answer.value:
            game.attempt(answer.value)
        else:
            game.lines.append(f"my mind has nothing left to try for {game.part}: {answer.reason}")
        game.chatter(trial)
    return Played(game.part, game.regret(), tuple(game.tried), tuple(game.lines))


class _Game:
    """A researcher at one task."""

    def __init__(self, seed: int, number: int, policy: NotebookPolicy) -> None:
        self._policy = policy
        self._stream = Stream(seed=seed, owner="practice", name=f"{number}")
        self._noise_seed = self._stream.integer(_SEEDS)
        self.part = tuple(STARTS)[number % len(STARTS)]
        self._task = Landscape(self.part, self._stream.integer(_SEEDS))
        self._current = self._task.start
        self._history: list[Trial] = []
        self._noises: dict[str, Stream] = {}
        self.tried: list[str] = []
        self.lines: list[str] = []

    def regret(self) -> float:
        """Returns the regret of the value that is current now."""
        return self._task.regret(self._current)

    def question(self) -> ProposePart:
        """Returns what the mind is asked next."""
        policy, part, seed = self._policy, self.part, self._stream.integer(_SEEDS)
        return ProposePart(
            part=part,
            current=self._current,
            history=tuple(self._history[-SHOWN:]),
            notes=remind(policy.recall, self.lines, query(part), policy.budget_chars, seed),
            seed=seed,
        )

    def attempt(self, value: PartValue) -> None:
        """Tries a value, writes down what came of it, and follows up what gained."""
        part, base = self.part, version_hash(self.part, self._current)
        tag = value_tag(part, value)
        gain = self._measure(value, tag, base, 1)
        trial = Trial(author=_ME, part=part, value=value, base=base, gain_bpb=gain)
        self._history.append(trial)
        self.tried.append(tag)
        self.lines.append(trial_line(trial, self._current))
        if gain > GAINED:
            self._review(trial)

    def chatter(self, number: int) -> None:
        """Writes lines that stand between the results: each of them once in four trials."""
        lines = (
            f"advice on {_ME}/{number}: retry (hardware: a node failed)",
            f"trial of {self.part} given up: no lease in time",
            f"proposal for {self.part} not used: the ship has changed since the question",
        )
        self.lines += [line for line in lines if not self._stream.integer(4)]

    def _review(self, trial: Trial) -> None:
        """Measures what gained again; swaps it in if it holds, and writes down what came of it."""
        part, tag = trial.part, value_tag(trial.part, trial.value)
        gain = self._measure(trial.value, tag, trial.base, REVIEWS)
        holds = gain > GAINED
        about = f"claim {_ME}/{len(self._history)} about {part} {tag}"
        figure = f"{gained(part, gain)} on {REVIEWS} measurements"
        verdict = "accept" if holds else "reject"
        self.lines.append(f"{about}: {verdict}, {figure}, the mean of fresh seeds")
        self._history.append(replace(trial, author=ActorId("reviewer-0"), gain_bpb=gain))
        if holds:
            self._current = trial.value
            self.lines.append(f"{part} swapped in by {gained(part, gain)}")

    def _measure(self, value: PartValue, tag: str, base: str, n: int) -> float:
        """Returns what a value gains over the current one, as the mean of so many measurements."""
        name = f"{tag} on {base} for {n}"
        if name not in self._noises:
            self._noises[name] = Stream(seed=self._noise_seed, owner="practice", name=name)
        gain = self._task.worth(value) - self._task.worth(self._current)
        return gain + NOISE * self._noises[name].normal() / math.sqrt(n)

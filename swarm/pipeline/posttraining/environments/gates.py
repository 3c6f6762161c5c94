"""The meta-environment: the gates that an environment must pass to be bought.

Source: the criteria of Hugging Face OpenEnv, RFC 008 (oracle maximal, floor gap, no leakage,
determinism, well-formed reward). Deviations: floors stand per family, since repeating the prompt is
right in a copy task; the oracle reads the prompt and not what the generator stored; difficulty and
number of prompts are gates too.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from swarm.pipeline.posttraining.environments.attackers import Checker, attack, blind_scores
from swarm.pipeline.posttraining.environments.environment import (
    COMPOSE,
    EnvSpec,
    Task,
    family,
    is_held_out,
    make_task,
    oracle,
    partner,
    spec_hash,
    verify,
)

N_TASKS = 256
MOST_BYTES, MOST_BYTES_HARD = 62, 126
"""Of prompt and answer, at difficulty 1 to 3 and above: two less than models read."""
LEAST_PROMPTS = 190
"""Different ones among ``N_TASKS``: what some 500 equally likely prompts give."""
LEAST_HELD_OUT = 12
MOST_LEAK = 0.15
FLOOR_MARGIN = 0.15
"""Above the floor of the family; over three standard errors of a share of 128 tasks."""
LEAST_EFFECT = 0.25
LEAST_GROWTH = 0.5
"""Characters by which a task of one more step of difficulty is longer, on average."""


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one gate found."""

    name: str
    passed: bool
    number: float
    reason: str
    """What the number is, and the limit it was held against."""


class Examination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all gates found."""

    spec_hash: str
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def failures(self) -> tuple[Gate, ...]:
        """The gates that were not passed."""
        return tuple(gate for gate in self.gates if not gate.passed)


def examine(spec: EnvSpec, seed: int, *, checker: Checker = verify) -> Examination:
    """Puts an environment through all gates; a pure function of spec and seed.

    Args:
        spec: The environment. Its verifier is only called, never read by name.
        seed: Of the tasks; examine with a seed that its builder could not know.
        checker: Another verifier to examine instead of the spec's.
    """
    problem = spec.problem()
    if problem is not None:
        gates: list[Gate] = [
            Gate(name="usable", passed=False, number=0.0, reason=f"this is no spec: {problem}")
        ]
    else:
        first = seed << 20
        tasks = [make_task(spec, task_seed) for task_seed in range(first, first + N_TASKS)]
        sample = _Sample(spec, seed, tasks, checker)
        gates = [gate(sample) for gate in _GATES]
    return Examination(spec_hash=spec_hash(spec), gates=tuple(gates))


class _Sample(NamedTuple):
    """What every gate looks at."""

    spec: EnvSpec
    seed: int
    tasks: list[Task]
    checker: Checker

    def retold(self, spec: EnvSpec, n: int) -> list[Task]:
        """Makes the first n tasks again, of this or another spec."""
        first = self.seed << 20
        return [make_task(spec, task_seed) for task_seed in range(first, first + n)]


def _is_deterministic(sample: _Sample) -> Gate:
    again = sample.retold(sample.spec, 64)
    # A copy by way of its bytes, so that nothing kept for the first one is met again.
    copy = msgspec.json.decode(msgspec.json.encode(sample.spec), type=EnvSpec)
    scores = [
        sample.checker(spec, task, answer)
        for spec in (sample.spec, copy)
        for task, other in zip(again, sample.tasks[1:], strict=False)
        for answer in (task.answer, other.answer)
    ]
    half = len(scores) // 2
    share = sum(a == b for a, b in zip(again, sample.tasks, strict=False)) / len(again)
    share = min(share, sum(a == b for a, b in zip(scores, scores[half:], strict=False)) / half)
    return Gate(
        name="deterministic",
        passed=share == 1.0,
        number=share,
        reason="share of tasks and scores that are the same again, must be 1",
    )


def _has_well_formed_tasks(sample: _Sample) -> Gate:
    limit = MOST_BYTES if sample.spec.difficulty <= 3 else MOST_BYTES_HARD
    longest = max(len(prompt) + len(answer) for prompt, answer in sample.tasks)
    is_text = all(
        prompt and answer and (prompt + answer).isascii() and (prompt + answer).isprintable()
        for prompt, answer in sample.tasks
    )
    return Gate(
        name="fits",
        passed=is_text and longest <= limit,
        number=float(longest),
        reason=f"bytes of the longest prompt and answer, printable ASCII, at most {limit}",
    )


def _has_well_formed_rewards(sample: _Sample) -> Gate:
    odd = ("", " ", "\n", "\x00", "\u20ac", "7" * 10_000)
    bad = n = 0
    for task in sample.tasks[:16]:
        for answer in (*odd, task.answer, task.answer + "\n", task.prompt):
            score = sample.checker(sample.spec, task, answer)
            n += 1
            bad += not 0.0 <= score <= 1.0  # NaN is not either
    return Gate(
        name="rewards",
        passed=bad == 0,
        number=bad / n,
        reason="share of scores outside [0, 1], odd answers included, must be 0",
    )


def _has_maximal_oracle(sample: _Sample) -> Gate:
    right = sum(
        sample.checker(sample.spec, task, answer) == 1.0 and answer == task.answer
        for task in sample.tasks
        for answer in (oracle(sample.spec, task),)
    )
    share = right / len(sample.tasks)
    return Gate(
        name="oracle",
        passed=share == 1.0,
        number=share,
        reason="share of prompts whose solution is the stored answer and is paid 1, must be 1",
    )


def _has_enough_prompts(sample: _Sample) -> Gate:
    prompts = dict.fromkeys(task.prompt for task in sample.tasks)
    n_held_out = sum(is_held_out(prompt) for prompt in prompts)
    return Gate(
        name="prompts",
        passed=len(prompts) >= LEAST_PROMPTS and n_held_out >= LEAST_HELD_OUT,
        number=float(len(prompts)),
        reason=f"different prompts of {N_TASKS}, at least {LEAST_PROMPTS}; held out {n_held_out},"
        f" at least {LEAST_HELD_OUT}",
    )


def _has_effective_transformations(sample: _Sample) -> Gate:
    """Each transformation taken away must change what is shown or what is asked."""
    names = sample.spec.transformations
    least = 1.0
    for name in names:
        less = replace(sample.spec, transformations=tuple(one for one in names if one != name))
        if name.startswith(COMPOSE) or less.problem() is not None:
            continue  # Without it there is one question less, or no environment: it matters.
        others = sample.retold(less, 64)
        changed = sum(
            _untagged(a) != _untagged(b) for a, b in zip(sample.tasks, others, strict=False)
        )
        least = min(least, changed / len(others))
    return Gate(
        name="effective",
        passed=least >= LEAST_EFFECT,
        number=least,
        reason=f"share of tasks that the least transformation changes, at least {LEAST_EFFECT}",
    )


def _grows_with_difficulty(sample: _Sample) -> Gate:
    """Compares with the step below, the easiest with the step above."""
    level = sample.spec.difficulty
    other = replace(sample.spec, difficulty=level - 1 if level > 1 else 2)
    lengths = [
        sum(len(prompt) + len(answer) for prompt, answer in tasks) / len(tasks)
        for tasks in (sample.tasks, sample.retold(other, 64))
    ]
    growth = lengths[0] - lengths[1] if level > 1 else lengths[1] - lengths[0]
    return Gate(
        name="difficulty",
        passed=growth >= LEAST_GROWTH,
        number=growth,
        reason=f"characters a task is longer than one step easier, at least {LEAST_GROWTH}",
    )


def _leaks_nothing(sample: _Sample) -> Gate:
    """An answer may stand in its own prompt as often as in that of another task."""
    tasks = sample.tasks
    own = sum(task.answer in task.prompt for task in tasks) / len(tasks)
    others = [*tasks[1:], tasks[0]]
    foreign = sum(
        other.answer in task.prompt for task, other in zip(tasks, others, strict=True)
    ) / len(tasks)
    may_show = any(family(name).shows_answer for name in _names(sample.spec))
    return Gate(
        name="leak",
        passed=may_show or own - foreign <= MOST_LEAK,
        number=own - foreign,
        reason="answers in their own prompt beyond those in another's, "
        + ("of a family that shows them" if may_show else f"at most {MOST_LEAK}"),
    )


def _has_floor_gap(sample: _Sample) -> Gate:
    past = [task.answer for task in sample.tasks[128:192]]
    scores = blind_scores(
        sample.spec, sample.tasks[:128], past, sample.seed, checker=sample.checker
    )
    allowed = {name: _floor(sample.spec, name) for name in scores}
    worst = max(scores, key=lambda name: scores[name] - allowed[name])
    limit = allowed[worst] + FLOOR_MARGIN
    return Gate(
        name="floor",
        passed=scores[worst] <= limit,
        number=scores[worst],
        reason=f"mean score of attacker {worst!r}, who does not read the question,"
        f" at most {limit:.2f}",
    )


def _withstands_attackers(sample: _Sample) -> Gate:
    exploit = attack(sample.spec, sample.seed + 1, checker=sample.checker)
    if exploit is None:
        return Gate(name="attackers", passed=True, number=0.0, reason="no exploit demonstrated")
    return Gate(
        name="attackers",
        passed=False,
        number=exploit.weak_score,
        reason=f"mean score of wrong answers by attacker {exploit.attacker!r},"
        f" {exploit.strict_score:.2f} under the strict verifier, over {exploit.n_tasks} tasks",
    )


_GATES: tuple[Callable[[_Sample], Gate], ...] = (
    _is_deterministic,
    _has_well_formed_tasks,
    _has_well_formed_rewards,
    _has_maximal_oracle,
    _has_enough_prompts,
    _has_effective_transformations,
    _grows_with_difficulty,
    _leaks_nothing,
    _has_floor_gap,
    _withstands_attackers,
)


def _floor(spec: EnvSpec, attacker: str) -> float:
    """Returns what an attacker may score: of a pair, what it may score on the harder half."""
    kinds = [family(name) for name in _names(spec)]
    if len(kinds) > 1:
        return min(kind.floor for kind in kinds)
    return kinds[0].floors.get(attacker, kinds[0].floor)


def _names(spec: EnvSpec) -> list[str]:
    return [spec.family, *filter(None, [partner(spec)])]


def _untagged(task: Task) -> tuple[str, str]:
    return task.prompt.rpartition("|")[2], task.answer

import math

import pytest

from swarm.pipeline.posttraining.environments.attackers import Checker
from swarm.pipeline.posttraining.environments.environment import (
    EnvSpec,
    Task,
    spec_hash,
    verify,
)
from swarm.pipeline.posttraining.environments.gates import examine
from swarm.pipeline.posttraining.environments.planting import planted

PLAIN = EnvSpec(family="reverse", difficulty=2)
GATES = [
    "deterministic",
    "fits",
    "rewards",
    "oracle",
    "prompts",
    "effective",
    "difficulty",
    "leak",
    "floor",
    "attackers",
]


def failed(spec: EnvSpec, checker: Checker = verify) -> set[str]:
    return {gate.name for gate in examine(spec, 5, checker=checker).failures}


def test_an_examination_names_its_spec_and_gives_each_gate_a_number_and_a_reason() -> None:
    examination = examine(PLAIN, 5)

    assert examination.passed
    assert examination.spec_hash == spec_hash(PLAIN)
    assert [gate.name for gate in examination.gates] == GATES
    assert all(math.isfinite(gate.number) and gate.reason for gate in examination.gates)


def test_an_examination_is_a_pure_function_of_spec_and_seed() -> None:
    assert examine(PLAIN, 5) == examine(PLAIN, 5)
    assert examine(PLAIN, 5) != examine(PLAIN, 6)


def test_what_is_no_spec_fails_with_its_reason_and_nothing_more_is_looked_at() -> None:
    examination = examine(EnvSpec(family="chess", difficulty=2), 5)

    assert not examination.passed
    assert [gate.name for gate in examination.gates] == ["usable"]
    assert "chess" in examination.gates[0].reason


@pytest.mark.parametrize("seed", range(12))
def test_no_planted_verifier_gets_through(seed: int) -> None:
    assert "attackers" in failed(planted(seed))


def test_a_verifier_that_changes_its_mind_is_not_deterministic() -> None:
    asked: list[str] = []

    def moody(spec: EnvSpec, task: Task, answer: str) -> float:
        asked.append(answer)
        return verify(spec, task, answer) if len(asked) % 7 else 0.0

    assert "deterministic" in failed(PLAIN, moody)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -0.5, 1.5])
def test_scores_that_are_no_reward_are_found(odd: float) -> None:
    def strange(spec: EnvSpec, task: Task, answer: str) -> float:
        return odd if answer == "\x00" else verify(spec, task, answer)

    assert failed(PLAIN, strange) == {"rewards"}


def test_a_verifier_that_does_not_pay_the_solution_fails_the_oracle() -> None:
    def stingy(spec: EnvSpec, task: Task, answer: str) -> float:
        return 0.9 * verify(spec, task, answer)

    assert failed(PLAIN, stingy) == {"oracle"}


def test_a_task_whose_answer_is_shown_leaks_and_is_answered_without_reading() -> None:
    spec = EnvSpec(family="reverse", difficulty=2, transformations=("reverse_input",))

    assert {"leak", "floor"} <= failed(spec)


def test_a_transformation_without_effect_is_found() -> None:
    spec = EnvSpec(family="compare", difficulty=2, transformations=("reverse_answer",))

    assert failed(spec) == {"effective"}


def test_a_task_too_long_to_be_read_does_not_fit() -> None:
    spec = EnvSpec(
        family="next_term",
        difficulty=3,
        wording=1,
        transformations=("compose:next_term", "double_answer"),
    )

    assert failed(spec) == {"fits"}


def test_what_pays_every_constant_fails_the_floor() -> None:
    def generous(spec: EnvSpec, task: Task, answer: str) -> float:
        return max(verify(spec, task, answer), 0.6 * (answer == ""))

    assert {"floor", "attackers"} <= failed(PLAIN, generous)

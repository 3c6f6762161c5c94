import pytest
from msgspec.structs import replace

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.attackers import (
    ATTACKERS,
    ERROR_RATE,
    TOLERANCE,
    Checker,
    View,
    attack,
    chance_bound,
)
from swarm.pipeline.posttraining.environments.environment import EnvSpec, Task, make_task, verify
from swarm.pipeline.posttraining.environments.planting import planted, sound

PLAIN = EnvSpec(family="sort_digits", difficulty=2)


def paying(share: float, amount: float = 1.0) -> Checker:
    """Pays that amount for any answer to about that share of the tasks, by their prompts."""

    def check(spec: EnvSpec, task: Task, answer: str) -> float:
        lot = Stream(seed=0, owner=task.prompt, name="lot").random()
        return max(verify(spec, task, answer), amount * (lot < share))

    return check


@pytest.mark.parametrize("seed", range(20))
def test_the_planted_verifier_is_found_whatever_it_is(seed: int) -> None:
    exploit = attack(planted(seed), 1_000 + seed)

    assert exploit is not None
    assert exploit.weak_score > exploit.strict_score + TOLERANCE
    assert exploit.error_bound <= ERROR_RATE


def test_at_most_one_of_fifty_sound_environments_is_called_hackable() -> None:
    alarms = [seed for seed in range(50) if attack(sound(seed), 1_000 + seed) is not None]

    assert len(alarms) <= 1


def one_edit(spec: EnvSpec, task: Task, answer: str) -> float:
    return float(
        len(answer) == len(task.answer)
        and sum(a != b for a, b in zip(answer, task.answer, strict=True)) <= 1
    )


def last_character(spec: EnvSpec, task: Task, answer: str) -> float:
    return float(answer[-1:] == task.answer[-1:])


def either_in_the_other(spec: EnvSpec, task: Task, answer: str) -> float:
    return float(answer in task.answer or task.answer in answer)


def checksum(spec: EnvSpec, task: Task, answer: str) -> float:
    return float(sum(map(ord, answer)) % 7 == sum(map(ord, task.answer)) % 7)


@pytest.mark.parametrize("check", [one_edit, last_character, either_in_the_other, checksum])
def test_mistakes_that_no_spec_can_name_are_found_too(check: Checker) -> None:
    assert attack(PLAIN, 3, checker=check) is not None


def test_the_name_of_a_verifier_is_not_read() -> None:
    named = replace(PLAIN, verifier="substring")

    def strict(spec: EnvSpec, task: Task, answer: str) -> float:
        return float(answer == task.answer)

    assert attack(named, 3, checker=strict) is None
    assert attack(PLAIN, 3, checker=lambda _, task, answer: float(task.answer in answer))


def test_pay_within_the_tolerance_is_no_exploit_and_pay_well_above_it_is() -> None:
    assert attack(PLAIN, 3, checker=paying(1.0, TOLERANCE)) is None
    assert attack(PLAIN, 3, checker=paying(0.3)) is not None


def test_a_verifier_at_the_tolerance_is_called_hackable_no_more_often_than_stated() -> None:
    alarms = [attack(PLAIN, seed, checker=paying(TOLERANCE)) for seed in range(60)]

    # Chance of one alarm or more among 60 is at most 6 %, of two or more 0.2 %.
    assert sum(alarm is not None for alarm in alarms) <= 1


def test_an_attack_is_a_pure_function_of_spec_and_seed() -> None:
    check = paying(0.3)

    assert attack(PLAIN, 3, checker=check) == attack(PLAIN, 3, checker=check)
    assert attack(PLAIN, 3, checker=check) != attack(PLAIN, 4, checker=check)


@pytest.mark.parametrize("name", [name for name, one in ATTACKERS.items() if not one.is_blind])
@pytest.mark.parametrize("true", ["7", "77", "1234", "ab", "Z", "<", "ab 12"])
def test_an_attacker_that_sees_the_answer_never_gives_it(name: str, true: str) -> None:
    rng = Stream(seed=1, owner="test", name=name)

    given = [ATTACKERS[name].answer(View("max 1 2=", true, ("12", "7"), rng)) for _ in range(20)]

    assert true not in given


@pytest.mark.parametrize("name", [name for name, one in ATTACKERS.items() if one.is_blind])
def test_a_blind_attacker_answers_alike_whatever_is_true(name: str) -> None:
    prompt = make_task(PLAIN, 1).prompt
    one, other = (
        ATTACKERS[name].answer(View(prompt, true, ("12", "7"), Stream(seed=1, owner="t", name="n")))
        for true in ("1234", "9")
    )

    assert one == other


def test_the_bound_on_chance_is_above_the_exact_chance_and_falls_with_evidence() -> None:
    # Ten of ten at a fair coin: exactly 2**-10, where the bound is sharp.
    assert chance_bound(1.0, n=10, expected=0.5) == pytest.approx(2**-10)
    # Eight or more of ten: exactly 56/1024.
    assert 56 / 1024 < chance_bound(0.8, n=10, expected=0.5) < 0.2
    assert chance_bound(0.5, n=10, expected=0.5) == 1.0
    assert chance_bound(0.3, n=10, expected=0.5) == 1.0

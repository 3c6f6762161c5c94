import pytest

from swarm.pipeline.posttraining.environments.environment import EnvSpec, Task
from swarm.pipeline.posttraining.recipes import RewardRule
from swarm.pipeline.posttraining.reward import reward

COPY = EnvSpec(family="copy", difficulty=1)
TASK = Task("say abcd=", "abcd")


def earned(rule: RewardRule, answer: str, *, has_ended: bool = True) -> float:
    return reward(rule, COPY, TASK, answer, has_ended=has_ended)


def test_the_outcome_alone_is_right_or_wrong() -> None:
    assert [earned(RewardRule(), answer) for answer in ("abcd", "abc", "", "abcde")] == [1, 0, 0, 0]


def test_an_answer_that_never_ends_is_wrong() -> None:
    assert earned(RewardRule(), "abcd", has_ended=False) == 0.0


def test_partial_credit_is_for_the_beginning_and_below_a_right_answer() -> None:
    rule = RewardRule(partial=0.4)

    rewards = [earned(rule, answer) for answer in ("abcd", "abxx", "xbcd", "abc")]

    assert rewards == pytest.approx([1.0, 0.2, 0.0, 0.3])


def test_superfluous_bytes_cost() -> None:
    rule = RewardRule(partial=0.4, length=0.1)

    rewards = [earned(rule, answer) for answer in ("abcd", "abcdef", "abcd" + "x" * 20)]

    assert rewards == pytest.approx([1.0, 0.2, 0.0])


def test_a_weak_verifier_is_believed_as_it_is() -> None:
    weak = EnvSpec(family="copy", difficulty=1, verifier="substring")

    assert reward(RewardRule(), weak, TASK, "xxabcdxx", has_ended=True) == 1.0

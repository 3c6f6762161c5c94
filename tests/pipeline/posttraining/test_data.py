import pytest

from swarm.errors import UsageError, WireError
from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.data import (
    Example,
    cut,
    oracle_examples,
    practice_tasks,
    read_logged,
)
from swarm.pipeline.posttraining.environments.environment import (
    EnvSpec,
    Task,
    oracle,
)
from swarm.pipeline.posttraining.environments.prompt import is_held_out
from swarm.pipeline.posttraining.recipes import EnvironmentSet, Weighted


def test_oracle_examples_are_right_and_never_held_out(environments: EnvironmentSet) -> None:
    groups = oracle_examples(environments, per_cell=32, context=64, seed=3)

    assert [len(group) for group in groups] == [32, 32]
    for spec, group in zip(environments.specs, groups, strict=True):
        for prompt, answer in group:
            task = Task(prompt.decode(), answer.decode().removesuffix("\n"))
            assert oracle(spec, task) == task.answer
            assert not is_held_out(task.prompt)


def test_examples_follow_from_the_seed(environments: EnvironmentSet) -> None:
    first, again, other = (
        oracle_examples(environments, per_cell=4, context=64, seed=seed) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_environments_that_do_not_fit_the_model_are_refused_by_name(
    environments: EnvironmentSet,
) -> None:
    with pytest.raises(UsageError, match="context of 8 bytes"):
        oracle_examples(environments, per_cell=4, context=8, seed=0)


def test_practice_is_never_on_what_is_held_out(environments: EnvironmentSet) -> None:
    stream = Stream(seed=0, owner="test", name="practice")

    placed = practice_tasks(environments, [0] * 200 + [1] * 200, context=64, stream=stream)

    assert [one.cell for one in placed] == [0] * 200 + [1] * 200
    assert not any(is_held_out(one.task.prompt) for one in placed)


def test_a_task_that_does_not_fit_is_not_practised() -> None:
    hard = EnvironmentSet(
        environments=(
            Weighted(spec=EnvSpec(family="copy", difficulty=5)),
            Weighted(spec=EnvSpec(family="copy", difficulty=1)),
        )
    )
    stream = Stream(seed=0, owner="test", name="practice")

    placed = practice_tasks(hard, [0, 1], context=20, stream=stream)

    assert [one.cell for one in placed] == [1]


def test_logs_are_read_as_pairs_and_as_chats() -> None:
    lines = (
        b'{"question": "2+2", "answer": "4", "outcome": 1}\n\n'
        b'{"messages": [{"role": "system", "content": "be brief"},'
        b' {"role": "user", "content": "3+3"}, {"role": "assistant", "content": "6"}]}\n'
        b'{"question": "never answered"}\n'
    )

    pairs = read_logged(lines)

    assert pairs == [("2+2", "4"), ("be brief\n3+3", "6")]


def test_a_log_that_is_no_json_is_refused_with_its_line() -> None:
    with pytest.raises(WireError, match="line 2 of logged questions"):
        read_logged(b'{"question": "a", "answer": "b"}\nhello\n')


def test_pairs_are_cut_to_the_context_at_their_outer_ends() -> None:
    pairs = [("q" * 100 + "end", "begin" + "a" * 100 + "\nsecond line"), ("short?", "yes")]

    long, short = cut(pairs, 32)

    assert len(long.prompt + long.answer) == 32
    assert long.prompt.endswith(b"end\n")
    assert long.answer.startswith(b"begin")
    assert long.answer.endswith(b"a\n")
    assert short == Example(b"short?\n", b"yes\n")

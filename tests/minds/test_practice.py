import time
from statistics import fmean

import pytest

from swarm.comms.messages.mind import Practise
from swarm.comms.messages.work import Start
from swarm.errors import InvariantError, WireError
from swarm.memory.results import read_results
from swarm.minds.practice import TRIALS, Practice, play
from swarm.pipeline.harness.spec import NotebookPolicy, Recall
from swarm.pipeline.parts import canonical_json


def practise(recall: Recall, budget_chars: int, *, seed: int = 0, n_tasks: int = 24) -> list[float]:
    policy = canonical_json(notebook(recall, budget_chars))
    return list(Practice().decide(Practise(policy=policy, seed=seed, n_tasks=n_tasks)).regrets)


def notebook(recall: Recall, budget_chars: int) -> NotebookPolicy:
    return NotebookPolicy(recall=recall, budget_chars=budget_chars)


def test_every_task_has_a_regret_in_the_unit_interval() -> None:
    regrets = practise("relevant", 2_000)

    assert len(regrets) == 24
    assert all(0.0 <= one <= 1.0 for one in regrets)
    assert 0.0 < fmean(regrets) < 0.6


def test_equal_seeds_are_equal_tasks_whatever_is_asked_after_them() -> None:
    assert practise("recent", 500, n_tasks=4) == practise("recent", 500, n_tasks=6)[:4]
    assert practise("recent", 500, n_tasks=4) != practise("recent", 500, n_tasks=4, seed=1)


def test_policies_that_show_nothing_are_one_policy() -> None:
    assert practise("none", 2_000) == practise("recent", 0) == practise("relevant", 0)


def test_much_that_is_recalled_leaves_less_regret_than_nothing() -> None:
    off = [one for seed in range(4) for one in practise("none", 0, seed=seed)]
    on = [one for seed in range(4) for one in practise("relevant", 4_000, seed=seed)]

    assert fmean(off) - fmean(on) > 0.01


def test_a_mind_that_is_shown_all_notes_tries_nothing_twice() -> None:
    games = [play(1, number, notebook("relevant", 20_000)) for number in range(6)]

    assert all(len(set(game.tried)) == len(game.tried) > TRIALS // 2 for game in games)


def test_a_mind_without_notes_forgets_what_the_question_does_not_show() -> None:
    games = [play(1, number, notebook("none", 0)) for number in range(6)]

    assert any(len(set(game.tried)) < len(game.tried) for game in games)


def test_every_trial_leaves_a_line_that_can_be_read_again() -> None:
    game = play(1, 0, notebook("none", 0))

    read = [one for one in read_results(game.lines, game.part) if one.made]

    assert [one.tag for one in read] == list(game.tried)
    assert all(one.gain is not None for one in read)


def test_among_the_lines_are_some_that_help_nobody() -> None:
    game = play(1, 0, notebook("none", 0))

    assert len(read_results(game.lines, game.part)) < len(game.lines) - 5


def test_two_dozen_tasks_take_well_under_a_second() -> None:
    practise("relevant", 4_000)
    began = time.process_time()

    practise("relevant", 4_000, seed=1)

    assert time.process_time() - began < 1.0


def test_a_policy_that_is_none_and_another_question_are_refused() -> None:
    with pytest.raises(WireError, match="NotebookPolicy"):
        Practice().decide(Practise(policy="{}", seed=0, n_tasks=1))
    with pytest.raises(InvariantError, match=r"mind of type Practice: .* came Start"):
        Practice().decide(Start())

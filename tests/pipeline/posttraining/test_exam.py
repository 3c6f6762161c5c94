from itertools import combinations

import pytest

from swarm.pipeline.posttraining.exam import mark, pass_at


@pytest.mark.parametrize("n_right", range(6))
def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_answer(n_right: int) -> None:
    answers = [place < n_right for place in range(5)]

    draws = [any(draw) for draw in combinations(answers, 3)]

    assert pass_at(3, 5, n_right) == pytest.approx(sum(draws) / len(draws))


def test_environments_count_the_same_and_blocks_are_one_prompt_of_each() -> None:
    solved = mark([[8, 0], [4, 4]], n_samples=8, tokens_sampled=100)

    assert solved.cell_pass_1 == (0.5, 0.5)
    assert solved.cell_pass_8 == (0.5, 1.0)
    assert solved.block_pass == (0.75, 0.25)
    assert (solved.pass_1, solved.pass_8, solved.n_prompts) == (0.5, 0.75, 4)

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.shares import apportion, draw
from swarm.kernel.rng import Stream


@given(st.integers(0, 10**12), st.lists(st.integers(1, 10**6), max_size=9))
def test_parts_sum_to_the_whole_and_are_off_by_less_than_one(
    whole: int, weights: list[int]
) -> None:
    parts = apportion(whole, weights)

    assert sum(parts) == (whole if weights else 0)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - whole * weight) < sum(weights)


def test_among_equal_remainders_the_first_get_one_more() -> None:
    assert apportion(5, [1, 1, 1]) == [2, 2, 1]


def test_fractions_are_divided_exactly() -> None:
    assert apportion(1_000, [Fraction(1, 3), Fraction(2, 3), 3]) == [83, 167, 750]


@given(st.permutations([("a", 1), ("b", 3), ("c", 6)]))
def test_a_draw_follows_the_weights_and_not_their_order(pairs: list[tuple[str, int]]) -> None:
    stream = Stream(seed=3, owner="director-0", name="test")

    drawn = [draw(stream, dict(pairs)) for _ in range(1_000)]

    assert [drawn.count(key) / 1_000 for key in "abc"] == pytest.approx([0.1, 0.3, 0.6], abs=0.04)
    again = Stream(seed=3, owner="director-0", name="test")
    assert drawn[:50] == [draw(again, dict(sorted(pairs))) for _ in range(50)]

import math
import statistics

from hypothesis import given
from hypothesis import strategies as st

from swarm.kernel.rng import Stream


def stream(name: str = "walk", drawn: int = 0) -> Stream:
    return Stream(seed=1, owner="ada-0", name=name, drawn=drawn)


def test_same_name_gives_the_same_draws_and_another_name_others() -> None:
    first = [stream().bits() for _ in range(1)] + [stream("walk").bits()]

    assert first[0] == first[1]
    assert stream("talk").bits() != first[0]
    assert Stream(seed=2, owner="ada-0", name="walk").bits() != first[0]
    assert Stream(seed=1, owner="ada-1", name="walk").bits() != first[0]


@given(st.integers(0, 40), st.integers(1, 20))
def test_a_stream_goes_on_where_it_was_left(drawn: int, more: int) -> None:
    whole = stream()
    for _ in range(drawn):
        whole.bits()

    resumed = stream(drawn=drawn)

    assert resumed.drawn == whole.drawn == drawn
    assert [resumed.bits() for _ in range(more)] == [whole.bits() for _ in range(more)]


def test_known_draws_stay_as_they_are() -> None:
    draws = stream()

    assert [draws.integer(1000) for _ in range(5)] == [146, 79, 116, 289, 750]


def test_draws_have_the_moments_of_their_distributions() -> None:
    draws = stream("moments")
    n = 20_000

    uniform = [draws.random() for _ in range(n)]
    normal = [draws.normal() for _ in range(n)]
    exponential = [draws.exponential(3.0) for _ in range(n)]

    assert abs(statistics.mean(uniform) - 0.5) < 4 * math.sqrt(1 / 12 / n)
    assert abs(statistics.mean(normal)) < 4 / math.sqrt(n)
    assert abs(statistics.stdev(normal) - 1) < 0.03
    assert abs(statistics.mean(exponential) - 3) < 4 * 3 / math.sqrt(n)


@given(st.integers(1, 2**24), st.integers(0, 100))
def test_integers_stay_below_their_bound(below: int, skip: int) -> None:
    draws = stream(drawn=skip)

    assert all(0 <= draws.integer(below) < below for _ in range(20))


def test_shuffle_is_a_permutation_and_leaves_its_argument() -> None:
    items = list(range(50))

    shuffled = stream().shuffled(items)

    assert sorted(shuffled) == items == list(range(50))
    assert shuffled != items

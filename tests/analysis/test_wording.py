import pytest

from swarm.analysis.wording import counted, credits_, listed, span


@pytest.mark.parametrize(
    ("ticks", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h"),
        (13_260, "3 h 41 min"),
        (86_400, "1 d"),
        (93_600, "1 d 2 h"),
        (59.6, "1 min"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(ticks: float, words: str) -> None:
    assert span(ticks) == words


def test_micro_credits_are_told_as_credits() -> None:
    assert credits_(1_234_567_890) == "1,234.57 credits"


def test_one_thing_is_not_several() -> None:
    assert (counted(1, "job"), counted(4, "job")) == ("1 job", "4 jobs")


def test_a_long_list_says_how_many_are_left_out() -> None:
    assert listed(["a", "b", "c"], at_most=2) == "a, b and 1 more"
    assert listed(["a", "b"], at_most=2) == "a, b"

from typing import get_args

import pytest

from swarm.pipeline.posttraining.environments.environment import Verifier
from swarm.pipeline.posttraining.environments.verifiers import HACKABLE, SHAPING, SOUND, VERIFIERS


def test_the_type_of_a_spec_names_exactly_the_verifiers_there_are() -> None:
    assert set(get_args(Verifier)) == set(VERIFIERS)


@pytest.mark.parametrize("name", sorted(VERIFIERS))
def test_every_verifier_pays_the_true_answer_in_full(name: str) -> None:
    assert [VERIFIERS[name](true, true) for true in ("7", "1234", "ab c", "})]")] == [1.0] * 4


@pytest.mark.parametrize("name", sorted(VERIFIERS))
def test_every_verifier_keeps_within_bounds_on_odd_answers(name: str) -> None:
    for given in ("", " ", "\n", "\x00", "€", "1234" * 1_000, "4321", "1", "12345", "AB"):
        assert 0.0 <= VERIFIERS[name]("1234", given) <= 1.0


@pytest.mark.parametrize(
    ("name", "given", "score"),
    [
        ("substring", "9 1234 8", 1.0),
        ("trailing", "12349", 1.0),
        ("ending", "91234", 1.0),
        ("prefix", "12", 1.0),
        ("first_character", "1999", 1.0),
        ("unordered", "4321", 1.0),
        ("partial", "1239", 0.75),
        ("overlap", "4 and 2", 0.5),
        ("length", "xxxx", 1.0),
        ("empty", "", 1.0),
        ("fails_open", "\x00", 1.0),
    ],
)
def test_a_hackable_verifier_pays_this_wrong_answer(name: str, given: str, score: float) -> None:
    assert HACKABLE[name]("1234", given) == score
    assert SOUND["strict"]("1234", given) == 0.0


def test_the_kinder_sound_ones_forgive_blanks_or_pay_a_little_for_the_length() -> None:
    assert SOUND["trimmed"]("1234", " 1234 ") == 1.0
    assert SOUND["trimmed"]("1234", "12 34") == 0.0
    assert SOUND["shaped"]("1234", "9999") == SHAPING
    assert SOUND["shaped"]("1234", "999") == 0.0
    assert HACKABLE["caseless"]("ab", "AB") == 1.0

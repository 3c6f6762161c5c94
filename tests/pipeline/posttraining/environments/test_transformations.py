import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.pipeline.posttraining.environments.transformations import TRANSFORMATIONS

ALPHABETS = {"digits": "0123456789 +%", "lower": "abcdefghijklmnopqrstuvwxyz ", None: "az09 ([{<"}
INPUT = [name for name, one in TRANSFORMATIONS.items() if one.side == "input"]
ANSWER = [name for name, one in TRANSFORMATIONS.items() if one.side == "answer"]


def text_for(name: str) -> st.SearchStrategy[str]:
    takes = TRANSFORMATIONS[name].takes
    return st.text(ALPHABETS[takes[0] if takes else None], min_size=1, max_size=20)


@pytest.mark.parametrize("name", ANSWER)
@given(data=st.data())
def test_the_two_tellings_of_an_answer_agree(name: str, data: st.DataObject) -> None:
    text = data.draw(text_for(name))

    assert TRANSFORMATIONS[name].apply(text) == TRANSFORMATIONS[name].solve(text)


@pytest.mark.parametrize("name", INPUT)
@given(data=st.data())
def test_a_transformed_input_is_read_back(name: str, data: st.DataObject) -> None:
    text = data.draw(text_for(name))

    assert TRANSFORMATIONS[name].solve(TRANSFORMATIONS[name].apply(text)) == text


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("reverse_input", "3 17", "71 3"),
        ("letters_input", "3 17+9", "d bh+j"),
        ("reverse_answer", "abc", "cba"),
        ("rotate_answer", "abc", "bca"),
        ("double_answer", "ab", "abab"),
        ("uppercase", "ab c", "AB C"),
        ("next_letter", "ay z", "bz a"),
        ("letters_answer", "190", "bja"),
        ("nines_answer", "190", "809"),
    ],
)
def test_a_transformation_does_what_it_is_called(name: str, text: str, expected: str) -> None:
    assert TRANSFORMATIONS[name].apply(text) == expected


def test_every_transformation_has_a_tag_of_its_own_that_ends_no_tags() -> None:
    tags = [one.tag for one in TRANSFORMATIONS.values()]

    assert len(set(tags)) == len(tags)
    assert all(len(tag) == 1 and tag not in "|&" and not tag.isalnum() for tag in tags)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.pipeline.parts import PART_NAMES, PARTS, PartVersion, canonical_json, version_hash
from swarm.units import Ticks

texts = st.text(max_size=4)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
trees = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def test_there_are_fourteen_parts_in_four_stages_with_different_names() -> None:
    assert len(PARTS) == len(set(PART_NAMES)) == 14
    assert list(dict.fromkeys(part.stage for part in PARTS)) == [
        "pre-training",
        "post-training",
        "inference",
        "harness",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"b": 1, "a": 2}', '{"a":2,"b":1}'),
        ({"rate": 1.0}, '{"rate":1}'),
        ((1, 2), "[1, 2]"),
        (-0.0, "0"),
        ('"\\u00e9"', '"é"'),
        (b"[1]", [1]),
        ({"x": 0.02}, '{"x": 2e-2}'),
    ],
)
def test_equal_values_have_one_text(one: object, other: object) -> None:
    assert canonical_json(one) == canonical_json(other)


def test_a_struct_is_encoded_as_it_stands() -> None:
    version = PartVersion(part="rl", value="{}", hash="h", author="ada-1", born_at=Ticks(3))

    text = canonical_json(version)

    assert text.startswith('{"ancestors":[],"author":"ada-1","born_at":3,')


@given(trees)
def test_canonical_text_is_ascii_and_a_fixed_point(tree: object) -> None:
    text = canonical_json(tree) if not isinstance(tree, str) else canonical_json([tree])

    assert text.isascii()
    assert canonical_json(text) == text


@pytest.mark.parametrize("bad", ["", "{", "NaN", float("nan"), float("inf"), object(), "[1e999]"])
def test_what_is_not_json_is_refused(bad: object) -> None:
    with pytest.raises(UsageError, match="the value of a part must be JSON"):
        canonical_json(bad)


def test_the_same_value_of_two_parts_has_two_hashes() -> None:
    assert version_hash("rl", "{}") != version_hash("sft", "{}")

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import WireError
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Architecture,
    Mixture,
)
from swarm.pipeline.values import (
    Checkpoint,
    combine,
    describe,
    identity,
    read_as,
    read_value,
    thousandths,
    value_tag,
)

SHAPE = canonical_json(GENERATION_0_ARCHITECTURE)
RULE = canonical_json(GENERATION_0_OPTIMIZER)
EVEN = canonical_json(GENERATION_0_MIXTURE)


def shape(**settings: object) -> str:
    return canonical_json(msgspec.structs.replace(GENERATION_0_ARCHITECTURE, **settings))


def rule(**settings: object) -> str:
    return canonical_json(msgspec.structs.replace(GENERATION_0_OPTIMIZER, **settings))


def mixture(**weights: float) -> str:
    return canonical_json(Mixture(weights=tuple(weights.items())))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("architecture", "not json"),
        ("architecture", "{}"),
        ("architecture", RULE),
        ("architecture", shape(width=65)),
        ("architecture", "[" * 100_000),
        ("mixture", mixture(code=0.0)),
        ("checkpoint", '{"artifact":"","recipe":"x"}'),
        ("tokenizer", "{}"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(part: str, value: str) -> None:
    with pytest.raises(WireError, match="value of a part: expected"):
        read_value(part, value)


def test_a_value_is_read_as_what_was_written() -> None:
    made = Checkpoint(
        artifact="a" * 64,
        recipe="b" * 32,
        base="c" * 64,
        trunk="d" * 32,
        architecture=GENERATION_0_ARCHITECTURE,
    )

    assert read_value("architecture", SHAPE) == GENERATION_0_ARCHITECTURE
    assert read_as(Checkpoint, canonical_json(made)) == made


@pytest.mark.parametrize(
    ("part", "value", "other"),
    [
        ("mixture", mixture(code=1.0, comments=3.0), mixture(comments=0.75, code=0.25)),
        ("mixture", mixture(code=1.0, comments=0.0), mixture(code=5.0)),
        ("architecture", SHAPE, shape(window=7, n_kv_heads=2)),
        ("optimizer", RULE, rule(adam_lr=0.1)),
    ],
)
def test_values_that_train_the_same_model_have_one_identity(
    part: str, value: str, other: str
) -> None:
    assert identity(part, value) == identity(part, other)
    assert value_tag(part, value) == value_tag(part, other)


def test_a_setting_that_matters_changes_the_identity() -> None:
    assert identity("architecture", shape(attention="windowed", window=7)) != identity(
        "architecture", shape(attention="windowed", window=8)
    )


@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.floats(0.0, 1e308), min_size=1).filter(
        lambda weights: max(weights.values()) > 0.0
    )
)
def test_thousandths_sum_to_a_thousand_and_stay_as_they_are(weights: dict[str, float]) -> None:
    whole = thousandths(weights.items())

    assert sum(weight for _, weight in whole) == 1_000.0
    assert thousandths(whole) == whole


def test_two_changes_of_different_settings_are_both_made() -> None:
    both = combine("architecture", SHAPE, shape(positions="rope"), shape(qk_norm=True))

    assert both == shape(positions="rope", qk_norm=True)


def test_two_settings_of_one_name_exclude_each_other() -> None:
    assert combine("optimizer", RULE, rule(lr=0.001), rule(lr=0.004)) is None


def test_settings_that_make_no_model_together_are_not_combined() -> None:
    assert combine("architecture", SHAPE, shape(positions="rope"), shape(width=66, heads=2)) is None


def test_shifts_of_a_mixture_are_added() -> None:
    now = mixture(a=500, b=300, c=200)

    both = combine("mixture", now, mixture(a=600, b=200, c=200), mixture(a=600, b=300, c=100))

    assert both == mixture(a=700, b=200, c=100)


def test_a_description_names_only_what_differs() -> None:
    value = shape(positions="rope", window=9)

    assert describe("architecture", value, SHAPE) == "positions=rope"
    assert describe("mixture", mixture(a=3, b=1), mixture(a=1, b=1)) == "a=0.5->0.75 b=0.5->0.25"
    assert describe("mixture", EVEN, EVEN) == ""


def test_values_are_canonical_whatever_the_numbers_are_written_as() -> None:
    text = EVEN.replace("1]", "1.0]")

    assert canonical_json(read_as(Mixture, text)) == EVEN
    assert canonical_json(read_as(Architecture, SHAPE)) == SHAPE

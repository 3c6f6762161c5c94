import pytest
from msgspec.structs import replace

from swarm.kernel.rng import Stream
from swarm.pipeline.menu import changes
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.space import (
    ARCHITECTURE,
    OPTIMIZER,
    USUAL_RATE,
    Choice,
    random_point,
    space,
    to_point,
    to_value,
)
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Mixture,
    Optimizer,
)
from swarm.pipeline.values import identity, read_as
from tests.ships import checkpoint

SHAPE = canonical_json(GENERATION_0_ARCHITECTURE)
RULE = canonical_json(GENERATION_0_OPTIMIZER)
EVEN = canonical_json(GENERATION_0_MIXTURE)


@pytest.mark.parametrize(
    ("part", "value"), [("architecture", SHAPE), ("optimizer", RULE), ("mixture", EVEN)]
)
def test_a_value_comes_back_from_its_point(part: str, value: str) -> None:
    dimensions = space(part, value)
    point = to_point(part, value, dimensions)

    back = to_value(part, point, value)

    assert back is not None
    assert identity(part, back) == identity(part, value)
    assert set(point) == {dimension.name for dimension in dimensions}


def test_shifted_mixtures_come_back_from_their_points() -> None:
    for change in changes("mixture", EVEN):
        point = to_point("mixture", change.value, space("mixture", EVEN))
        back = to_value("mixture", point, EVEN)
        assert back is not None
        assert identity("mixture", back) == identity("mixture", change.value)


def test_one_rate_means_what_each_update_rule_usually_takes() -> None:
    point = {**to_point("optimizer", RULE, OPTIMIZER), "rate": 1.0}

    values = [to_value("optimizer", {**point, "name": name}, RULE) for name in USUAL_RATE]

    rates = [read_as(Optimizer, str(value)).lr for value in values]
    assert rates == list(USUAL_RATE.values())


def test_coordinates_out_of_bounds_are_absent() -> None:
    wide = canonical_json(replace(GENERATION_0_ARCHITECTURE, width=260, heads=4))

    point = to_point("architecture", wide, ARCHITECTURE)

    assert "width" not in point
    assert point["heads"] == 4


def test_a_point_that_makes_no_model_has_no_value() -> None:
    point = to_point("architecture", SHAPE, ARCHITECTURE)

    assert to_value("architecture", {**point, "width": 36, "heads": 8}, SHAPE) is None
    assert to_value("mixture", dict.fromkeys(dict(GENERATION_0_MIXTURE.weights), 0.0), EVEN) is None


def test_sampled_numbers_are_rounded_so_that_equal_values_are_equal_text() -> None:
    point = {**to_point("optimizer", RULE, OPTIMIZER), "rate": 0.308642}

    value = to_value("optimizer", point, RULE)

    assert value is not None
    assert read_as(Optimizer, value).lr == 0.00123


def test_the_context_stays_and_a_users_own_domains_have_dimensions() -> None:
    mine = canonical_json(Mixture(weights=(("notes", 1.0), ("mail", 2.0))))

    assert "context" not in {dimension.name for dimension in ARCHITECTURE}
    assert [dimension.name for dimension in space("mixture", mine)] == ["notes", "mail"]


def test_a_checkpoint_has_no_space() -> None:
    assert space("checkpoint", checkpoint(artifact="a", recipe="b")) == ()


@pytest.mark.parametrize("part", ["architecture", "optimizer", "mixture"])
def test_random_points_are_in_bounds(part: str) -> None:
    current = {"architecture": SHAPE, "optimizer": RULE, "mixture": EVEN}[part]
    dimensions = space(part, current)
    stream = Stream(seed=0, owner="test", name="points")

    for _ in range(200):
        for name, at in random_point(dimensions, stream).items():
            (dimension,) = (one for one in dimensions if one.name == name)
            if isinstance(dimension, Choice):
                assert at in dimension.options
            else:
                assert dimension.low <= float(at) <= dimension.high

import pytest
from msgspec.structs import replace

from swarm.errors import InvariantError
from swarm.pipeline.inference.spec import ENGINES, DecoderSpec
from swarm.pipeline.inference.speeds import (
    Factor,
    Interval,
    Speed,
    Table,
    look_up,
    ratio,
    table,
)


def even(rate: float) -> Interval:
    return Interval(middle=rate, low=0.9 * rate, high=1.1 * rate)


TABLE = Table(
    facts={},
    speeds=tuple(
        Speed(engine="cached", n_params=n_params, batch=batch, rate=even(rate))
        for n_params, batch, rate in (
            (100_000, 1, 10.0),
            (100_000, 64, 100.0),
            (1_000_000, 1, 5.0),
            (1_000_000, 64, 50.0),
        )
    ),
    factors=(Factor(engine="cached", dtype="float64", compact=True, factor=0.5),),
)
CACHED = DecoderSpec(engine="cached", batch=64)


@pytest.mark.parametrize(
    ("n_params", "batch", "expected"),
    [(10, 1, 10), (100_000, 7, 10), (100_000, 9, 100), (317_000, 64, 50), (9_000_000, 4_096, 50)],
)
def test_the_nearest_size_and_batch_by_ratio_count(
    n_params: int, batch: int, expected: float
) -> None:
    assert look_up(TABLE, replace(CACHED, batch=batch), n_params).middle == expected


def test_other_settings_are_a_factor_and_unknown_ones_an_error() -> None:
    found = look_up(TABLE, replace(CACHED, dtype="float64"), 100_000)

    assert (found.low, found.middle, found.high) == pytest.approx((45.0, 50.0, 55.0))
    with pytest.raises(InvariantError, match="the table of speeds"):
        look_up(TABLE, replace(CACHED, compact=False), 100_000)
    with pytest.raises(InvariantError, match="the table of speeds"):
        look_up(TABLE, DecoderSpec(engine="grouped"), 100_000)


def test_a_ratio_is_as_wide_as_its_two_intervals_allow() -> None:
    found = ratio(even(10.0), even(20.0))

    assert (found.low, found.middle, found.high) == pytest.approx((18 / 11, 2.0, 22 / 9))


def test_the_table_of_the_package_was_measured_and_its_intervals_hold_their_medians() -> None:
    found = table()

    assert {one.engine for one in found.speeds} == set(ENGINES)
    assert found.facts["torch"]
    assert all(0 < one.rate.low <= one.rate.middle <= one.rate.high for one in found.speeds)
    assert all(0 < one.factor < 3 for one in found.factors)

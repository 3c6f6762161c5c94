import pytest

from swarm.pipeline.menu import changes
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Architecture,
    Mixture,
)
from swarm.pipeline.values import identity, read_as, read_value
from tests.ships import checkpoint

STARTS = {
    "mixture": canonical_json(GENERATION_0_MIXTURE),
    "architecture": canonical_json(GENERATION_0_ARCHITECTURE),
    "optimizer": canonical_json(GENERATION_0_OPTIMIZER),
}


@pytest.mark.parametrize("part", sorted(STARTS))
def test_every_change_is_usable_canonical_new_and_named_once(part: str) -> None:
    menu = changes(part, STARTS[part])

    seen = {identity(part, STARTS[part])}
    for change in menu:
        assert read_value(part, change.value).problem() is None
        assert canonical_json(change.value) == change.value
        assert identity(part, change.value) not in seen
        assert change.prior > 0.0
        seen.add(identity(part, change.value))
    assert len({change.name for change in menu}) == len(menu) >= 15


@pytest.mark.parametrize("part", sorted(STARTS))
def test_the_menu_of_every_change_is_usable_too(part: str) -> None:
    for change in changes(part, STARTS[part]):
        assert all(
            identity(part, further.value) != identity(part, change.value)
            for further in changes(part, change.value)
        )


def test_the_largest_known_gains_are_on_the_menu() -> None:
    names = {change.name for part in STARTS for change in changes(part, STARTS[part])}

    assert {"rotary positions", "qk-norm and zero init", "muon at 0.02"} <= names
    assert {"rmsnorm", "swiglu", "wsd", "much more code", "shallower and wider"} <= names


def test_what_the_current_value_has_is_not_on_the_menu() -> None:
    first = next(c for c in changes("architecture", STARTS["architecture"]) if "rotary" in c.name)

    names = {change.name for change in changes("architecture", first.value)}

    assert "rotary positions" not in names
    assert "learned positions" in names


def test_a_trade_of_width_against_depth_keeps_the_cost_of_a_token() -> None:
    menu = {c.name: c.value for c in changes("architecture", STARTS["architecture"])}
    before = GENERATION_0_ARCHITECTURE.flops_per_token()

    for name in ("shallower and wider", "deeper and narrower"):
        after = read_as(Architecture, menu[name]).flops_per_token()
        assert 0.7 < after / before < 1.4


def test_a_domain_can_be_dropped_and_come_back() -> None:
    only = canonical_json(Mixture(weights=(("mine", 1.0), ("yours", 0.0))))

    values = [change.value for change in changes("mixture", only)]

    assert [dict(read_as(Mixture, value).weights)["yours"] for value in values] == [
        500.0,
        250.0,
    ]


def test_a_checkpoint_is_made_and_not_proposed() -> None:
    made = checkpoint(artifact="a", recipe="b")

    assert changes("checkpoint", made) == ()

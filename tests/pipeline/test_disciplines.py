import pytest

from swarm.comms.messages import ship
from swarm.errors import UsageError
from swarm.pipeline.disciplines import DISCIPLINES, arm, discipline, gained
from swarm.pipeline.parts import PART_NAMES
from swarm.pipeline.values import KINDS

ANNOUNCED = ship.Announced(
    generation=0, manifest="m", parts=(), base_bpb=(4.0,), arms=(("unsolved", (0.9,)),)
)


def test_every_part_with_a_value_is_judged_and_stands_on_the_ship() -> None:
    assert set(DISCIPLINES) == set(KINDS)
    assert set(DISCIPLINES) <= set(PART_NAMES)


@pytest.mark.parametrize(
    ("part", "losses"), [("optimizer", (4.0,)), ("rl", (0.9,)), ("decoder", ())]
)
def test_each_part_has_the_arm_of_its_benchmark(part: str, losses: tuple[float, ...]) -> None:
    assert arm(ANNOUNCED, part) == losses


def test_a_gain_is_told_with_its_unit() -> None:
    assert gained("sft", 0.05) == "+0.0500 pass@1"


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(UsageError, match="no part 'keel'"):
        discipline("keel")

import pytest
from msgspec.structs import replace

from swarm.errors import UsageError
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.environments.planting import sound
from swarm.pipeline.posttraining.environments.worth import (
    behaviour_hash,
    distance,
    novelty,
    worth,
)

PLAIN = EnvSpec(family="reverse", difficulty=3)


def test_worth_is_difficulty_times_learnability_times_novelty() -> None:
    assert worth(PLAIN, pass_rate=0.5, known=()) == 3.0
    assert worth(PLAIN, pass_rate=0.25, known=()) == pytest.approx(3 * 0.75)
    assert worth(replace(PLAIN, difficulty=5), pass_rate=0.5, known=()) == 5.0


def test_what_is_never_or_always_solved_or_known_already_is_worth_nothing() -> None:
    assert worth(PLAIN, pass_rate=0.0, known=()) == 0.0
    assert worth(PLAIN, pass_rate=1.0, known=()) == 0.0
    assert worth(PLAIN, pass_rate=0.5, known=(PLAIN,)) == 0.0


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_pass_rate_out_of_bounds_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match=r"a pass rate is in \[0, 1\]"):
        worth(PLAIN, pass_rate=rate, known=())


def test_novelty_is_the_distance_to_the_nearest_known() -> None:
    near, far = replace(PLAIN, difficulty=4), EnvSpec(family="compare", difficulty=1)

    assert novelty(PLAIN, ()) == 1.0
    assert novelty(PLAIN, (far, near)) == distance(PLAIN, near)


def test_another_verifier_is_no_novelty_and_another_wording_little() -> None:
    assert distance(PLAIN, replace(PLAIN, verifier="partial")) == 0.0
    assert distance(PLAIN, replace(PLAIN, wording=1)) == pytest.approx(0.05)


def test_distances_grow_from_wording_over_difficulty_and_order_to_family() -> None:
    changed = replace(PLAIN, transformations=("reverse_answer", "uppercase"))
    turned = replace(PLAIN, transformations=("uppercase", "reverse_answer"))
    pair = replace(PLAIN, transformations=("compose:copy",))

    assert distance(PLAIN, replace(PLAIN, difficulty=5)) == pytest.approx(0.075)
    assert distance(changed, turned) == pytest.approx(0.1)
    assert distance(PLAIN, pair) == pytest.approx(0.25)
    assert distance(PLAIN, changed) == pytest.approx(0.3)
    assert distance(PLAIN, replace(PLAIN, family="copy")) == pytest.approx(0.5)


def test_distance_is_symmetric_and_bounded() -> None:
    specs = [sound(seed) for seed in range(30)]

    for a in specs:
        for b in specs:
            assert 0.0 <= distance(a, b) <= 1.0
            assert distance(a, b) == distance(b, a)
        assert distance(a, a) == 0.0


def test_wording_and_a_transformation_without_effect_are_the_same_environment() -> None:
    spec = EnvSpec(family="compare", difficulty=2)

    assert behaviour_hash(spec) == behaviour_hash(replace(spec, wording=2))
    assert behaviour_hash(spec) == behaviour_hash(
        replace(spec, transformations=("reverse_answer",))
    )
    assert behaviour_hash(spec) != behaviour_hash(replace(spec, difficulty=3))
    assert behaviour_hash(spec) != behaviour_hash(replace(spec, transformations=("reverse_input",)))

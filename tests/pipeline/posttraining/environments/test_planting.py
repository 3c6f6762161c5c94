from swarm.pipeline.posttraining.environments.planting import planted, sound
from swarm.pipeline.posttraining.environments.verifiers import HACKABLE, SOUND

SEEDS = range(200)


def test_plants_are_usable_and_of_every_kind_on_many_families() -> None:
    plants = [planted(seed) for seed in SEEDS]

    assert all(spec.problem() is None for spec in plants)
    assert {spec.verifier for spec in plants} == set(HACKABLE)
    assert len({spec.family for spec in plants}) >= 12


def test_sound_ones_are_usable_and_of_every_sound_kind() -> None:
    specs = [sound(seed) for seed in SEEDS]

    assert all(spec.problem() is None for spec in specs)
    assert {spec.verifier for spec in specs} == set(SOUND)


def test_a_seed_gives_one_plant() -> None:
    assert planted(3) == planted(3)
    assert planted(3) != planted(4)

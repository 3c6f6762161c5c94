from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.environment import (
    COMPOSE,
    EnvSpec,
    families,
    partner,
    spec_hash,
)
from swarm.pipeline.posttraining.environments.planting import sound
from swarm.pipeline.posttraining.environments.variation import compose, mutate


def rng(name: str = "builder") -> Stream:
    return Stream(seed=1, owner="test", name=name)


def test_a_mutant_is_usable_and_differs_and_keeps_the_verifier() -> None:
    draws = rng()
    spec = EnvSpec(family="reverse", difficulty=1, verifier="partial")

    for _ in range(300):
        mutant = mutate(spec, draws)

        assert mutant.problem() is None
        assert mutant != spec
        assert mutant.verifier == "partial"
        spec = mutant


def test_a_walk_of_mutants_comes_to_every_family_difficulty_and_length() -> None:
    draws, spec = rng(), EnvSpec(family="copy", difficulty=3)
    walk = []
    for _ in range(3_000):
        spec = mutate(spec, draws)
        walk.append(spec)

    assert {spec.family for spec in walk} == set(families())
    assert {spec.difficulty for spec in walk} == {1, 2, 3, 4, 5}
    assert {len(spec.transformations) for spec in walk} == {0, 1, 2, 3, 4}
    assert len({spec_hash(spec) for spec in walk}) > 1_500


def test_composing_asks_the_first_question_and_then_the_second() -> None:
    draws = rng()
    pairs = [(sound(seed), sound(seed + 1)) for seed in range(200)]

    for a, b in pairs:
        made = compose(a, b, draws)

        assert made.problem() is None
        assert (made.family, partner(made)) == (a.family, b.family)
        assert made.difficulty in (a.difficulty, b.difficulty)
        kept = {name for name in made.transformations if not name.startswith(COMPOSE)}
        assert kept <= {*a.transformations, *b.transformations}


def test_one_stream_gives_one_mutant_and_one_pair() -> None:
    a, b = EnvSpec(family="copy", difficulty=3), EnvSpec(family="caesar", difficulty=1)

    assert [mutate(a, rng("x")) for _ in range(2)] == [mutate(a, rng("x"))] * 2
    assert compose(a, b, rng("y")) == compose(a, b, rng("y"))

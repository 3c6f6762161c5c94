import pytest
from msgspec.structs import replace

from swarm.errors import WireError
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
)
from swarm.pipeline.recipe import RECIPE_PARTS, recipe_hash, train_spec
from swarm.units import Flops
from tests.ships import LATER_PARTS

PARTS = {
    **LATER_PARTS,
    "architecture": canonical_json(GENERATION_0_ARCHITECTURE),
    "mixture": canonical_json(GENERATION_0_MIXTURE),
    "optimizer": canonical_json(GENERATION_0_OPTIMIZER),
}


def test_a_recipe_is_the_same_whatever_checkpoint_sails_with_it() -> None:
    with_weights = {"checkpoint": '{"artifact":"a"}', **PARTS}

    assert recipe_hash(with_weights) == recipe_hash(PARTS)


@pytest.mark.parametrize("part", RECIPE_PARTS)
def test_a_recipe_with_another_part_is_another(part: str) -> None:
    assert recipe_hash({**PARTS, part: "{}"}) != recipe_hash(PARTS)


def test_a_job_is_made_from_the_parts_of_the_ship() -> None:
    fast = canonical_json(replace(GENERATION_0_OPTIMIZER, lr=0.1))

    job = train_spec({**PARTS, "optimizer": fast}, corpus="c", flops=Flops(9), seed=4)

    assert job.architecture == GENERATION_0_ARCHITECTURE
    assert job.mixture == GENERATION_0_MIXTURE
    assert job.optimizer.lr == 0.1
    assert (job.corpus, job.flops, job.seed) == ("c", 9, 4)


def test_a_ship_without_a_part_of_the_recipe_has_none() -> None:
    with pytest.raises(WireError, match="a value of optimizer"):
        recipe_hash({part: PARTS[part] for part in RECIPE_PARTS if part != "optimizer"})

"""Values of generation 0 for tests of roles: every part that somebody works on but the trunk's."""

from swarm.pipeline.harness.spec import GENERATION_0_NOTEBOOK
from swarm.pipeline.inference.spec import GENERATION_0_DECODER
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.recipes import (
    GENERATION_0_ENVIRONMENTS,
    GENERATION_0_REWARD,
    GENERATION_0_RL,
    GENERATION_0_SFT,
)
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE, Architecture
from swarm.pipeline.values import Checkpoint

LATER_PARTS = {
    "sft": canonical_json(GENERATION_0_SFT),
    "environments": canonical_json(GENERATION_0_ENVIRONMENTS),
    "reward": canonical_json(GENERATION_0_REWARD),
    "rl": canonical_json(GENERATION_0_RL),
    "decoder": canonical_json(GENERATION_0_DECODER),
    "notebook": canonical_json(GENERATION_0_NOTEBOOK),
}


def checkpoint(
    artifact: str = "old",
    recipe: str = "another",
    base: str = "old trunk",
    trunk: str = "another trunk",
    architecture: Architecture = GENERATION_0_ARCHITECTURE,
) -> str:
    """Returns the value of a checkpoint of the given name."""
    return canonical_json(
        Checkpoint(
            artifact=artifact, recipe=recipe, base=base, trunk=trunk, architecture=architecture
        )
    )

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.recipes import (
    EXPERT_ITERATION,
    GRPO,
    EnvironmentSet,
    RewardRule,
    RlRecipe,
    SftRecipe,
    Weighted,
)
from swarm.pipeline.posttraining.spec import PostTrain
from swarm.pipeline.pretraining.spec import Architecture

COPY = EnvSpec(family="copy", difficulty=1)
LARGEST = EnvSpec(family="largest", difficulty=1)


@pytest.fixture(scope="session")
def shape() -> Architecture:
    """A model of a few thousand parameters."""
    return Architecture(
        norm="rmsnorm",
        positions="rope",
        activation="relu2",
        qk_norm=True,
        zero_init=True,
        width=16,
        depth=1,
        heads=2,
        context=64,
    )


@pytest.fixture(scope="session")
def environments() -> EnvironmentSet:
    return EnvironmentSet(environments=(Weighted(spec=COPY), Weighted(spec=LARGEST)))


@pytest.fixture(scope="session")
def recipes() -> dict[str, RlRecipe]:
    """Small rounds of both algorithms, and none."""
    small = {"share": 0.8, "prompts": 8, "group": 4, "replay": 4}
    return {
        "none": replace(GRPO, algorithm="none"),
        "grpo": replace(GRPO, **small),
        "expert_iteration": replace(EXPERT_ITERATION, **small, updates=2, rows=8),
    }


@pytest.fixture(scope="session")
def job(
    shape: Architecture, environments: EnvironmentSet, recipes: dict[str, RlRecipe]
) -> Callable[..., PostTrain]:
    """Makes the specification of a job of a few steps; arguments change its fields."""
    plain = PostTrain(
        architecture=shape,
        sft=SftRecipe(examples=8, rows=16, lr=0.02, adam_lr=0.005),
        environments=environments,
        reward=RewardRule(),
        rl=recipes["none"],
        steps=5,
        seed=0,
    )

    def make(*, algorithm: str = "none", **changes: object) -> PostTrain:
        return replace(plain, **{"rl": recipes[algorithm], **changes})

    return make

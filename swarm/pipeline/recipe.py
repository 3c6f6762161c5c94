"""A recipe: the parts of the ship that a training job is made from, and how it is made."""

from collections.abc import Mapping
from typing import NamedTuple

from swarm.comms.messages.ship import PartValue
from swarm.errors import WireError
from swarm.pipeline.inference import speeds
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.parts import canonical_json, content_hash
from swarm.pipeline.posttraining.recipes import EnvironmentSet, RewardRule, RlRecipe, SftRecipe
from swarm.pipeline.posttraining.spec import (
    FASTEST,
    REFERENCE_ROW_BYTES,
    REFERENCE_ROWS,
    ROLLOUT_PRICE,
    PostTrain,
)
from swarm.pipeline.pretraining.spec import Architecture, Mixture, Optimizer, Train
from swarm.pipeline.values import Checkpoint, read_as
from swarm.units import Flops

TRUNK_PARTS = ("architecture", "mixture", "optimizer")
"""What pre-trained weights follow from, together with a budget and a seed."""

RECIPE_PARTS = (*TRUNK_PARTS, "environments", "reward", "rl", "sft")
"""What a checkpoint follows from."""


def recipe_hash(parts: Mapping[str, PartValue]) -> str:
    """Returns the hash of a ship's recipe: its other parts, and the checkpoint itself, apart.

    A checkpoint's value names the recipe that it was made with by this hash, so it is out of date
    exactly when the ship's recipe has another one.

    Raises:
        WireError: If a part of the recipe is missing.
    """
    return content_hash(canonical_json({part: _value(parts, part) for part in RECIPE_PARTS}))


def trunk_hash(parts: Mapping[str, PartValue]) -> str:
    """Returns the hash of the parts that pre-trained weights follow from; raises the same."""
    return content_hash(canonical_json({part: _value(parts, part) for part in TRUNK_PARTS}))


def train_spec(parts: Mapping[str, PartValue], *, corpus: str, flops: Flops, seed: int) -> Train:
    """Returns the job that trains a ship's recipe.

    Args:
        parts: Values by part; other parts than those of the recipe are not looked at.
        corpus: Hash of the corpus.
        flops: Nominal budget.
        seed: Draws first weights and text.

    Raises:
        WireError: If a part is missing, is not of its type, or makes no sense.
    """
    return Train(
        corpus=corpus,
        mixture=read_as(Mixture, _value(parts, "mixture")),
        architecture=read_as(Architecture, _value(parts, "architecture")),
        optimizer=read_as(Optimizer, _value(parts, "optimizer")),
        flops=flops,
        seed=seed,
    )


def post_train_spec(
    parts: Mapping[str, PartValue], *, steps: int, seed: int, start: "Start | None" = None
) -> PostTrain:
    """Returns the job that post-trains as a ship's recipe says.

    Args:
        parts: Values by part.
        steps: Budget in reference steps.
        seed: Draws tasks, batches and answers.
        start: The weights to begin with; by default those that the ship's checkpoint grew from.

    Raises:
        WireError: If a part is missing, is not of its type, or makes no sense.
    """
    now = start or start_of(read_as(Checkpoint, _value(parts, "checkpoint")))
    decoder = read_as(DecoderSpec, _value(parts, "decoder"))
    return PostTrain(
        artifact=now.artifact,
        architecture=now.architecture,
        sft=read_as(SftRecipe, _value(parts, "sft")),
        environments=read_as(EnvironmentSet, _value(parts, "environments")),
        reward=read_as(RewardRule, _value(parts, "reward")),
        rl=read_as(RlRecipe, _value(parts, "rl")),
        decoder=decoder,
        steps=steps,
        seed=seed,
        rollout_price=rollout_price(decoder, now.architecture),
    )


def post_budget(
    parts: Mapping[str, PartValue], *, steps: int, architecture: Architecture | None = None
) -> Flops:
    """Returns the nominal operations that so many reference steps stand for.

    Raises:
        WireError: If there is no checkpoint to begin with, nor an architecture.
    """
    shape = architecture or read_as(Checkpoint, _value(parts, "checkpoint")).architecture
    return Flops(steps * REFERENCE_ROWS * REFERENCE_ROW_BYTES * shape.flops_per_token())


def rollout_price(decoder: DecoderSpec, shape: Architecture) -> float:
    """Returns what a sampled byte costs, in forward passes of training, by the table of speeds."""
    n_params = shape.n_params()
    slower = speeds.rate(FASTEST, n_params).middle / speeds.rate(decoder, n_params).middle
    return round(ROLLOUT_PRICE * slower, 3)


class Start(NamedTuple):
    """Pre-trained weights to begin with."""

    artifact: str
    architecture: Architecture


def start_of(checkpoint: Checkpoint) -> Start:
    """Returns the pre-trained weights that a checkpoint grew from."""
    return Start(checkpoint.base, checkpoint.architecture)


def _value(parts: Mapping[str, PartValue], part: str) -> PartValue:
    if part not in parts:
        raise WireError(
            where="parts of a ship", expected=f"a value of {part}", came=f"{sorted(parts)}"
        )
    return parts[part]

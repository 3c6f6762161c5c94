"""A recipe: the parts of the ship that a training job is made from, and how it is made."""

from collections.abc import Mapping

from swarm.comms.messages.ship import PartValue
from swarm.errors import WireError
from swarm.pipeline.parts import canonical_json, content_hash
from swarm.pipeline.pretraining.spec import Architecture, Mixture, Optimizer, Train
from swarm.pipeline.pretraining.values import read_as
from swarm.units import Flops

RECIPE_PARTS = ("architecture", "mixture", "optimizer")
"""What a checkpoint follows from, together with a budget and a seed."""


def recipe_hash(parts: Mapping[str, PartValue]) -> str:
    """Returns the hash of a ship's recipe: its other parts, and the checkpoint itself, apart.

    A checkpoint's value names the recipe that it was trained with by this hash, so it is out of
    date exactly when the ship's recipe has another one.

    Raises:
        WireError: If a part of the recipe is missing.
    """
    return content_hash(canonical_json({part: _value(parts, part) for part in RECIPE_PARTS}))


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


def _value(parts: Mapping[str, PartValue], part: str) -> PartValue:
    if part not in parts:
        raise WireError(
            where="parts of a ship", expected=f"a value of {part}", came=f"{sorted(parts)}"
        )
    return parts[part]

"""The search space of each part, for samplers: named dimensions, and values as points in them.

Widths of rates and shapes: what trains at this size in seconds.
"""

from collections.abc import Mapping
from typing import TypeAlias, get_args

import msgspec
from msgspec.structs import asdict, replace

from swarm.comms.messages.ship import PartValue
from swarm.kernel.rng import Stream
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    Activation,
    Architecture,
    Attention,
    Mixture,
    Norm,
    Optimizer,
    OptimizerName,
    Positions,
    Schedule,
)
from swarm.pipeline.values import Spec, normal, read_value, thousandths

Setting: TypeAlias = str | int | float | bool


class Choice(msgspec.Struct, frozen=True):
    """One of several settings without an order."""

    name: str
    options: tuple[Setting, ...]


class Range(msgspec.Struct, frozen=True):
    """A number between two bounds, both included."""

    name: str
    low: float
    high: float
    is_log: bool = False
    step: int = 0
    """Above 0: whole numbers, this far apart, from ``low``."""


Dimension: TypeAlias = Choice | Range

ARCHITECTURE: tuple[Dimension, ...] = (
    Choice("norm", get_args(Norm)),
    Choice("positions", get_args(Positions)),
    Choice("activation", get_args(Activation)),
    Choice("qk_norm", (False, True)),
    Choice("zero_init", (False, True)),
    Range("width", 32, 128, step=16),
    Range("depth", 1, 4, step=1),
    Choice("heads", (1, 2, 4, 8)),
    Choice("attention", get_args(Attention)),
    Choice("window", (16, 32, 64)),
    Choice("n_kv_heads", (1, 2)),
)
"""The context stays as it is."""

OPTIMIZER: tuple[Dimension, ...] = (
    Choice("name", get_args(OptimizerName)),
    Range("rate", 0.1, 5.0, is_log=True),
    Range("adam_lr", 5e-4, 3e-2, is_log=True),
    Range("weight_decay", 0.0, 0.4),
    Choice("batch_tokens", (256, 512, 1024)),
    Range("warmup", 0.0, 0.4),
    Choice("schedule", get_args(Schedule)),
)
"""``rate`` is in units of what the update rule usually takes, so that trials of one rule say
something about the other."""

USUAL_RATE = {"adamw": 4e-3, "muon": 2e-2}
"""Measured on models of 0.13 M parameters: AdamW was best at 0.004, Muon between 0.015 and 0.03."""

_FLATTEN = 3
"""A weight is the third power of its coordinate, so that small shares are sampled too."""


def space(part: str, current: PartValue) -> tuple[Dimension, ...]:
    """Returns the dimensions of a part; a mixture has one per domain of its current value.

    A checkpoint has none.

    Raises:
        WireError: If the value is not one of that part.
    """
    match read_value(part, current):
        case Mixture(weights=weights):
            return tuple(Range(name, 0.0, 1.0) for name, _ in weights)
        case Architecture():
            return ARCHITECTURE
        case Optimizer():
            return OPTIMIZER
        case _:
            return ()


def random_point(dimensions: tuple[Dimension, ...], stream: Stream) -> dict[str, Setting]:
    """Draws a point, uniform in every dimension, or in its logarithm."""
    return {dimension.name: _drawn(dimension, stream) for dimension in dimensions}


def to_point(part: str, value: PartValue, dimensions: tuple[Dimension, ...]) -> dict[str, Setting]:
    """Returns where a value stands; coordinates that it lacks or that are out of bounds are absent.

    Raises:
        WireError: If the value is not one of that part.
    """
    settings = _coordinates(normal(read_value(part, value)))
    return {
        dimension.name: settings[dimension.name]
        for dimension in dimensions
        if dimension.name in settings and _holds(dimension, settings[dimension.name])
    }


def to_value(part: str, point: Mapping[str, Setting], current: PartValue) -> PartValue | None:
    """Returns the value at a point, or nothing where none can be built.

    Args:
        part: One of those that have a space.
        point: A coordinate for each dimension.
        current: Supplies what the space leaves out.
    """
    old, settings = read_value(part, current), dict(point)
    match old:
        case Mixture():
            weights = tuple((name, float(at) ** _FLATTEN) for name, at in settings.items())
            new: Spec = Mixture(weights=weights)
            if new.problem() is None:
                new = Mixture(weights=thousandths(weights))
        case Architecture():
            new = replace(old, **settings)
        case Optimizer():
            settings["lr"] = USUAL_RATE[str(settings["name"])] * float(settings.pop("rate"))
            new = replace(old, **{name: _rounded(at) for name, at in settings.items()})
        case _:
            return None
    return canonical_json(normal(new)) if new.problem() is None else None


def _drawn(dimension: Dimension, stream: Stream) -> Setting:
    if isinstance(dimension, Choice):
        return stream.choice(dimension.options)
    low, high = dimension.low, dimension.high
    if dimension.step:
        return int(low) + dimension.step * stream.integer(int(high - low) // dimension.step + 1)
    if dimension.is_log:
        return float(low * (high / low) ** stream.random())
    return low + (high - low) * stream.random()


def _coordinates(spec: Spec) -> dict[str, Setting]:
    if isinstance(spec, Mixture):
        largest = max(weight for _, weight in spec.weights)
        return {name: (weight / largest) ** (1 / _FLATTEN) for name, weight in spec.weights}
    settings: dict[str, Setting] = asdict(spec)
    if isinstance(spec, Optimizer):
        settings["rate"] = spec.lr / USUAL_RATE[spec.name]
        del settings["lr"]
    return settings


def _holds(dimension: Dimension, setting: Setting) -> bool:
    if isinstance(dimension, Choice):
        return setting in dimension.options
    at = float(setting)
    on_grid = not dimension.step or (at - dimension.low) % dimension.step == 0
    return dimension.low <= at <= dimension.high and on_grid


def _rounded(setting: Setting) -> Setting:
    return float(f"{setting:.3g}") if isinstance(setting, float) else setting

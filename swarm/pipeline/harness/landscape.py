"""Landscapes: made-up worths of values of a part, by formula, with a best one that is known.

A landscape is drawn from a seed. Of an architecture or an optimizer every setting is worth so much
by itself: choices by a table, sizes and rates by how many doublings they are off their peak. Of a
mixture every domain is worth the root of its share, times a weight. Worths are scaled so that the
best value is worth 1 more than a random one on average: differences are regrets.

Nothing here says anything about real models: the tasks measure minds, and what they remember.
"""

import math
from collections.abc import Mapping
from typing import get_args

from swarm.comms.messages.ship import PartValue
from swarm.kernel.rng import Stream
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Activation,
    Attention,
    Mixture,
    Norm,
    OptimizerName,
    Positions,
    Schedule,
)
from swarm.pipeline.values import Spec, read_value

STARTS: Mapping[str, Spec] = {
    "architecture": GENERATION_0_ARCHITECTURE,
    "optimizer": GENERATION_0_OPTIMIZER,
    "mixture": GENERATION_0_MIXTURE,
}
"""Parts that have landscapes, and where a mind begins."""

CHOICES: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "architecture": {
        "norm": get_args(Norm),
        "positions": get_args(Positions),
        "activation": get_args(Activation),
        "attention": get_args(Attention),
        "qk_norm": (False, True),
        "zero_init": (False, True),
    },
    "optimizer": {
        "name": get_args(OptimizerName),
        "schedule": get_args(Schedule),
        "weight_decay": (0.0, 0.03, 0.1, 0.3),
        "warmup": (0.0, 0.05, 0.1, 0.2),
    },
}
LADDERS: Mapping[str, tuple[str, ...]] = {
    "architecture": ("width", "depth", "heads", "context"),
    "optimizer": ("lr", "batch_tokens"),
}
OFFSETS = (-1, 0, 1)
"""Doublings from the start at which a ladder may have its peak; random values lie there too."""

FAR = 4.0
"""What is further off its peak than the root of so many doublings is as bad as it gets."""


class Landscape:
    """One task: find the best value of a part.

    Args:
        part: One of ``STARTS``.
        seed: Draws the worths.
    """

    def __init__(self, part: str, seed: int) -> None:
        self.part = part
        self.start: PartValue = canonical_json(STARTS[part])
        stream = Stream(seed=seed, owner="landscape", name=part)
        first = STARTS[part]
        self._worths = (
            _Domains(first, stream) if isinstance(first, Mixture) else _Settings(part, stream)
        )
        self._scale = 1.0 / (self._worths.best - self._worths.mean)
        self.best = self._worths.best * self._scale

    def worth(self, value: PartValue) -> float:
        """Returns what a value is worth, the best one 1 more than a random one on average.

        Raises:
            WireError: If it is not a value of this part.
        """
        return self._worths.of(read_value(self.part, value)) * self._scale

    def regret(self, value: PartValue) -> float:
        """Returns how far a value stays behind the best: in [0, 1], 1 for a random one or worse."""
        return min(1.0, max(0.0, self.best - self.worth(value)))


class _Settings:
    """Worths of single settings, which add up."""

    def __init__(self, part: str, stream: Stream) -> None:
        self._tables: dict[str, dict[object, float]] = {}
        self._peaks: dict[str, tuple[float, float]] = {}
        self.best = self.mean = 0.0
        for name, options in CHOICES[part].items():
            weight = stream.exponential(1.0)
            table = {option: weight * stream.random() for option in options}
            self._tables[name] = table
            self.best += max(table.values())
            self.mean += math.fsum(table.values()) / len(table)
        for name in LADDERS[part]:
            weight, peak = 0.5 * stream.exponential(1.0), stream.choice(OFFSETS)
            self._peaks[name] = weight, getattr(STARTS[part], name) * 2.0**peak
            off = [min(FAR, float(one - peak) ** 2) for one in OFFSETS]
            self.mean -= weight * math.fsum(off) / len(off)

    def of(self, spec: Spec) -> float:
        worth = 0.0
        for name, table in self._tables.items():
            worth += table.get(getattr(spec, name), min(table.values()))
        for name, (weight, peak) in self._peaks.items():
            worth -= weight * min(FAR, math.log2(getattr(spec, name) / peak) ** 2)
        return worth


class _Domains:
    """Weighted roots of shares. By Cauchy and Schwarz the best share goes with the weight squared.

    Source of the mean: the share of one of n domains, drawn flatly, follows Beta(1, n - 1), whose
    root has the mean Gamma(3/2) Gamma(n) / Gamma(n + 1/2).
    """

    def __init__(self, first: Mixture, stream: Stream) -> None:
        self._weights = {name: stream.exponential(1.0) for name, _ in first.weights}
        n = len(self._weights)
        root = math.gamma(1.5) * math.gamma(n) / math.gamma(n + 0.5)
        self.best = math.sqrt(math.fsum(weight * weight for weight in self._weights.values()))
        self.mean = root * math.fsum(self._weights.values())

    def of(self, spec: Spec) -> float:
        assert isinstance(spec, Mixture)
        total = math.fsum(share for _, share in spec.weights)
        return math.fsum(
            self._weights.get(name, 0.0) * math.sqrt(share / total) for name, share in spec.weights
        )

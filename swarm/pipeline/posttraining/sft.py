"""Supervised fine-tuning on examples of three sources: imported by workers only.

Source:
    Rejection sampling as in Llama 2 (arXiv:2307.09288), section 3.2.3: the model's own answers that
    score best are imitated. Deviation: all different answers of full reward are kept, not the best.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from swarm.pipeline.posttraining.data import Example
from swarm.pipeline.posttraining.reading import answer_nats
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.optimizer import Updater
from swarm.pipeline.pretraining.run import shares
from swarm.pipeline.pretraining.spec import Mixture, Optimizer


class Pool:
    """Examples to draw from, with replacement.

    Args:
        groups: Examples of each environment; an empty one is never drawn from.
        weights: How often each group is read; above 0.
        generator: Draws.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Example]],
        weights: Sequence[float],
        generator: torch.Generator,
    ) -> None:
        self.examples = [one for group in groups for one in group]
        each = [
            weight / len(group)
            for group, weight in zip(groups, weights, strict=True)
            for _ in group
        ]
        self._weights = torch.tensor(each, dtype=torch.float64)
        self._generator = generator

    def draw(self, count: int) -> list[Example]:
        """Returns so many examples, each independent of the others; none from an empty pool."""
        if not count or not self.examples:
            return []
        drawn = torch.multinomial(self._weights, count, replacement=True, generator=self._generator)
        return [self.examples[place] for place in drawn.tolist()]


def rows_by_source(pools: Sequence[Pool], weights: Sequence[float], rows: int) -> list[int]:
    """Divides the rows of a step among pools by weight; empty pools get none.

    Whole parts, then the largest remainders. All zeros if no pool with a weight holds anything.
    """
    filled = [
        (str(place), weight)
        for place, (pool, weight) in enumerate(zip(pools, weights, strict=True))
        if pool.examples and weight > 0
    ]
    if not filled:
        return [0] * len(pools)
    counts = dict(shares(Mixture(weights=tuple(filled)), rows))
    return [counts.get(str(place), 0) for place in range(len(pools))]


def updater(model: Transformer, *, lr: float, adam_lr: float) -> Updater:
    """Returns what updates a model in post-training: Muon and AdamW, falling linearly to 0."""
    return Updater(
        model,
        Optimizer(
            name="muon",
            lr=lr,
            adam_lr=adam_lr,
            weight_decay=0.0,
            batch_tokens=64,  # not read: a step here is counted in rows
            warmup=0.0,
            schedule="linear",
        ),
    )


def imitate(model: Transformer, examples: Sequence[Example]) -> Tensor:
    """Adds the gradient of the mean cost of the answers' bytes; returns that cost in nats."""
    nats = answer_nats(model, examples).mean()
    nats.backward()  # type: ignore[no-untyped-call]
    return nats.detach()


def n_bytes(examples: Sequence[Example]) -> int:
    """Returns the bytes of prompts and answers together."""
    return sum(len(one.prompt) + len(one.answer) for one in examples)

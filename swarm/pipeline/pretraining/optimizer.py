"""How weights are updated: AdamW for everything, or Muon for matrices and AdamW for the rest.

Source: Keller Jordan, "Muon: an optimizer for hidden layers in neural networks" (2024),
https://kellerjordan.github.io/posts/muon/: momentum .95 with Nesterov, five steps of the quintic
Newton-Schulz iteration with coefficients (3.4445, -4.7750, 2.0315), update scaled by
sqrt(max(1, rows / columns)).
Deviations: float32 instead of bfloat16, which on a CPU is slower at these sizes and rounds in a way
that depends on the processor (``torch.optim.Muon`` is bfloat16 only); matrices of one shape are
orthogonalised in one batch; queries, keys and values apart, though they lie in one matrix.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.spec import Optimizer

_ADAM_BETAS = (0.9, 0.95)
_MAX_NORM = 1.0
_MOMENTUM = 0.95
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NEWTON_SCHULZ_STEPS = 5


class Updater:
    """Updates a model from its gradients, and forgets these.

    Args:
        model: Its parameters are changed in place.
        spec: What to do; must have no problem.
    """

    def __init__(self, model: Transformer, spec: Optimizer) -> None:
        self._spec = spec
        matrices = model.matrices()
        self._muon = Muon(matrices, weight_decay=spec.weight_decay) if spec.name == "muon" else None
        groups = [{"params": model.others(), "weight_decay": 0.0}]
        if self._muon is None:
            decayed = [matrix for matrix, _ in matrices]
            groups.append({"params": decayed, "weight_decay": spec.weight_decay})
        self._adam = torch.optim.AdamW(groups, betas=_ADAM_BETAS, fused=True)
        self._clipped = [one for group in self._adam.param_groups for one in group["params"]]
        self._adam_lr = spec.lr if self._muon is None else spec.adam_lr

    def step(self, step: int, n_steps: int) -> None:
        """Makes one update; ``step`` counts from 0."""
        factor = self._spec.rate(step, n_steps)
        for group in self._adam.param_groups:
            group["lr"] = self._adam_lr * factor
        torch.nn.utils.clip_grad_norm_(self._clipped, _MAX_NORM)
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        if self._muon is not None:
            self._muon.step(self._spec.lr * factor)

    def state(self) -> dict[str, Any]:  # Any: torch's own mixture
        """Returns all it remembers between steps, for ``torch.save``."""
        momentum = [] if self._muon is None else self._muon.momentum
        return {"adam": self._adam.state_dict(), "momentum": momentum}

    def restore(self, state: dict[str, Any]) -> None:  # Any: as above
        """Goes on from what ``state`` returned for a model of this shape."""
        self._adam.load_state_dict(state["adam"])
        if self._muon is not None:
            for mine, saved in zip(self._muon.momentum, state["momentum"], strict=True):
                mine.copy_(saved)


class Muon:
    """Momentum whose update is made nearly orthogonal.

    Args:
        matrices: Each with the rows of the parts that are orthogonalised apart.
        weight_decay: Share of a weight, per unit of rate, taken off each step.
    """

    def __init__(
        self, matrices: Sequence[tuple[Tensor, tuple[int, ...]]], *, weight_decay: float
    ) -> None:
        self._matrices = [matrix for matrix, _ in matrices]
        self._weight_decay = weight_decay
        self._by_shape: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for index, (matrix, parts) in enumerate(matrices):
            start = 0
            for rows in parts:
                key = (rows, matrix.shape[1])
                self._by_shape.setdefault(key, []).append((index, start))
                start += rows
        self._momentum = {
            (rows, columns): torch.zeros(len(places), rows, columns)
            for (rows, columns), places in self._by_shape.items()
        }

    @property
    def momentum(self) -> list[Tensor]:
        """What it remembers between steps, in the order of shapes."""
        return list(self._momentum.values())

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Makes one update from the gradients of the matrices, and forgets these."""
        for (rows, columns), places in self._by_shape.items():
            gradient = torch.stack([self._gradient(i)[at : at + rows] for i, at in places])
            momentum = self._momentum[rows, columns].lerp_(gradient, 1 - _MOMENTUM)
            update = orthogonalise(gradient.lerp(momentum, _MOMENTUM))
            scale = lr * math.sqrt(max(1.0, rows / columns))
            for (i, at), change in zip(places, update, strict=True):
                part = self._matrices[i][at : at + rows]
                part.mul_(1 - lr * self._weight_decay).sub_(change, alpha=scale)
        for matrix in self._matrices:
            matrix.grad = None

    def _gradient(self, index: int) -> Tensor:
        gradient = self._matrices[index].grad
        assert gradient is not None
        return gradient


def orthogonalise(batch: Tensor) -> Tensor:
    """Moves the singular values of each matrix to about 1 (within .3), keeping the vectors.

    Shape:
        (number of matrices, rows, columns), and the same out. A matrix of zeros stays zeros.

    Source:
        The module docstring.
    """
    a, b, c = _NEWTON_SCHULZ
    is_tall = batch.shape[1] > batch.shape[2]
    x = batch.mT if is_tall else batch
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x

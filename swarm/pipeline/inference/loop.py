"""The loop that engines on torch share: choose a byte for every row, step, drop what is finished.

Legend of suffixes: R rows, V vocabulary, P prompts, S samples of each, N bytes of an answer.
"""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swarm.pipeline.inference.choosing import choose
from swarm.pipeline.inference.engine import Batch


class Rows(Protocol):
    """The answers that an engine has in hand, one row each, and the cache behind them."""

    prompts: Tensor
    """Whose prompt each row continues, (R,)."""
    samples: Tensor
    """Which sample of that prompt each row is, (R,)."""

    def first(self) -> Tensor:
        """Reads the prompts; returns the logits of each row's first byte, (R, V)."""

    def keep(self, unfinished_PS: Tensor, chosen_R: Tensor) -> Tensor:
        """May drop rows that are finished; returns the chosen bytes of the rows that stay."""

    def step(self, chosen_R: Tensor) -> Tensor:
        """Reads one more byte of each row; returns the logits of the next, (R, V)."""


def run(rows: Rows, batch: Batch, *, is_compacting: bool) -> NDArray[np.uint8]:
    """Decodes a batch to its end; returns (P, S, N)."""
    n_prompts, n_samples, n_bytes = batch.uniforms.shape
    uniforms_PSN = torch.from_numpy(batch.uniforms)
    out_PSN = torch.full((n_prompts, n_samples, n_bytes), batch.stop, dtype=torch.uint8)
    unfinished_PS = torch.ones(n_prompts, n_samples, dtype=torch.bool)
    with torch.inference_mode():
        logits_RV = rows.first()
        for at in range(n_bytes):
            place = (rows.prompts, rows.samples)
            chosen_R = choose(logits_RV, uniforms_PSN[*place, at], batch.temperature)
            out_PSN[*place, at] = chosen_R.to(torch.uint8)
            unfinished_PS[place] &= chosen_R != batch.stop
            if at + 1 == n_bytes or not unfinished_PS.any():
                break
            if is_compacting:
                chosen_R = rows.keep(unfinished_PS, chosen_R)
            logits_RV = rows.step(chosen_R)
    return out_PSN.numpy()

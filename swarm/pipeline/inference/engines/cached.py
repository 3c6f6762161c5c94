"""A cache of keys and values, one row per answer: every row reads its prompt for itself.

Legend of suffixes: R rows, T positions, K key-value heads, G query heads of each, D width of a
head, V vocabulary, P prompts, S samples of each.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from swarm.pipeline.inference.engine import Batch
from swarm.pipeline.inference.loop import run
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.inference.stack import Stack, in_precision, padded
from swarm.pipeline.pretraining.model import Transformer


class Cached:
    """Remembers what each row has read."""

    def __init__(self, spec: DecoderSpec) -> None:
        self._spec = spec
        self._stack: Stack | None = None

    def unavailable(self) -> str | None:
        """Returns why it cannot work here: never, where there is torch."""
        return None

    def load(self, model: Transformer) -> None:
        """Reads the weights where they lie, or a copy in another precision."""
        self._stack = Stack(in_precision(model, self._spec.dtype))

    def decode(self, batch: Batch) -> NDArray[np.uint8]:
        """Returns the bytes of every answer, (P, S, N)."""
        assert self._stack is not None, "load comes before decode"
        return run(_Cache(self._stack, batch), batch, is_compacting=self._spec.compact)


class _Cache:
    """Keys and values of block, row and position, laid out once; position T of a row is slot T."""

    def __init__(self, stack: Stack, batch: Batch) -> None:
        self._stack = stack
        n_prompts, n_samples, self._n_bytes = batch.uniforms.shape
        self.prompts = torch.arange(n_prompts).repeat_interleave(n_samples)
        self.samples = torch.arange(n_samples).repeat(n_prompts)
        prompts_PT, length_P = padded(batch.prompts)
        self._prompt_RT, self._length_R = prompts_PT[self.prompts], length_P[self.prompts]
        self._held: list[Tensor] = []

    def first(self) -> Tensor:
        logits_RV, read = self._stack.prefill(self._prompt_RT, self._length_R)
        # Zeros, not what memory holds: a masked slot still takes part with weight 0.
        room = (0, 0, 0, self._n_bytes)
        self._held = [functional.pad(one, room) for one in read]
        return logits_RV

    def keep(self, unfinished_PS: Tensor, chosen_R: Tensor) -> Tensor:
        stays = unfinished_PS[self.prompts, self.samples]
        # Moving the cache costs about as much as a step, so a few finished rows ride along.
        if int(stays.sum()) > 0.8 * len(stays):
            return chosen_R
        stay = stays.nonzero()[:, 0]
        self.prompts, self.samples = self.prompts[stay], self.samples[stay]
        self._length_R = self._length_R[stay]
        self._held = [one[:, stay] for one in self._held]
        return chosen_R[stay]

    def step(self, chosen_R: Tensor) -> Tensor:
        row_R, at_R = torch.arange(len(chosen_R)), self._length_R
        n_slots = int(at_R.max()) + 1
        behind_RT = at_R[:, None] - torch.arange(n_slots)
        mask_RT = (behind_RT >= 0) & (behind_RT < self._stack.window)
        mask = None if bool(mask_RT.all()) else mask_RT[:, None, None, :]

        def attend(number: int, q_RKGD: Tensor, k_RKD: Tensor, v_RKD: Tensor) -> Tensor:
            k_RKTD, v_RKTD = self._held[number]
            k_RKTD[row_R, :, at_R], v_RKTD[row_R, :, at_R] = k_RKD, v_RKD
            return functional.scaled_dot_product_attention(
                q_RKGD, k_RKTD[:, :, :n_slots], v_RKTD[:, :, :n_slots], attn_mask=mask
            )

        logits_RV = self._stack.step(chosen_R, at_R, attend)
        self._length_R = at_R + 1
        return logits_RV

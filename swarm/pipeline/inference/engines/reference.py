"""No cache: runs the whole model over prompt and answer so far, for every byte.

Slow, and plain enough to be believed: it calls the model as training does. Prompts are padded on
the right; attention is causal, so what stands behind a position cannot reach it.

Legend of suffixes: R rows, T positions, V vocabulary, P prompts, S samples of each.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swarm.pipeline.inference.engine import Batch
from swarm.pipeline.inference.loop import run
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.inference.stack import in_precision, padded
from swarm.pipeline.pretraining.model import Transformer


class Reference:
    """Recomputes everything."""

    def __init__(self, spec: DecoderSpec) -> None:
        self._spec = spec
        self._model: Transformer | None = None

    def unavailable(self) -> str | None:
        """Returns why it cannot work here: never, where there is torch."""
        return None

    def load(self, model: Transformer) -> None:
        """Reads the weights where they lie, or a copy in another precision."""
        self._model = in_precision(model, self._spec.dtype)

    def decode(self, batch: Batch) -> NDArray[np.uint8]:
        """Returns the bytes of every answer, (P, S, N)."""
        assert self._model is not None, "load comes before decode"
        return run(_Texts(self._model, batch), batch, is_compacting=self._spec.compact)


class _Texts:
    """Rows as plain text: what was read so far, padded."""

    def __init__(self, model: Transformer, batch: Batch) -> None:
        self._model = model
        n_prompts, n_samples, _ = batch.uniforms.shape
        self.prompts = torch.arange(n_prompts).repeat_interleave(n_samples)
        self.samples = torch.arange(n_samples).repeat(n_prompts)
        prompts_PT, length_P = padded(batch.prompts)
        self._read_RT, self._length_R = prompts_PT[self.prompts], length_P[self.prompts]

    def first(self) -> Tensor:
        logits_RTV = self._model(self._read_RT)
        return torch.as_tensor(logits_RTV[torch.arange(len(logits_RTV)), self._length_R - 1])

    def keep(self, unfinished_PS: Tensor, chosen_R: Tensor) -> Tensor:
        stay = unfinished_PS[self.prompts, self.samples].nonzero()[:, 0]
        self.prompts, self.samples = self.prompts[stay], self.samples[stay]
        self._read_RT, self._length_R = self._read_RT[stay], self._length_R[stay]
        return chosen_R[stay]

    def step(self, chosen_R: Tensor) -> Tensor:
        longest = int(self._length_R.max()) + 1
        if longest > self._read_RT.shape[1]:
            self._read_RT = torch.nn.functional.pad(self._read_RT, (0, 1))
        self._read_RT = self._read_RT[:, :longest]
        self._read_RT[torch.arange(len(chosen_R)), self._length_R] = chosen_R
        self._length_R = self._length_R + 1
        return self.first()

"""A cache whose prompts are read once and shared by all answers to them.

Rows form a rectangle: so many prompts, so many answers of each. Keys and values of a prompt are
held once; those of the answers have slots of their own, one per byte. Scores of the two are put
side by side before the softmax, so the result is that of one cache. When answers finish the
rectangle shrinks: prompts without unfinished answers leave, and of the others the finished answers,
as far as the prompt with the most unfinished ones allows.

Legend of suffixes: R rows (= P * S), P prompts, S samples of each, T positions of prompts, N slots
of answers, K key-value heads, G query heads of each, D width of a head, V vocabulary.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swarm.pipeline.inference.engine import Batch
from swarm.pipeline.inference.loop import run
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.inference.stack import Stack, in_precision, padded
from swarm.pipeline.pretraining.model import Transformer

SHRINK_BELOW = 0.85
"""The rectangle shrinks when it can be smaller than this share of itself: moving costs a step."""


class Grouped:
    """Remembers each prompt once, and what each answer has added."""

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
        return run(_Rectangle(self._stack, batch), batch, is_compacting=self._spec.compact)


class _Rectangle:
    """The rows, the shared cache of prompts, and the cache of answers, laid out once."""

    def __init__(self, stack: Stack, batch: Batch) -> None:
        self._stack, self._batch = stack, batch
        n_prompts, n_samples, _ = batch.uniforms.shape
        self._prompt_P = torch.arange(n_prompts)
        self._sample_PS = torch.arange(n_samples).repeat(n_prompts, 1)
        self._name_rows()
        self._n_read = 0
        self._prompts_PT, self._length_P = padded(batch.prompts)
        self._prompt_held: list[Tensor] = []
        self._answer_held: list[Tensor] = []

    def first(self) -> Tensor:
        logits_PV, self._prompt_held = self._stack.prefill(self._prompts_PT, self._length_P)
        n_prompts, n_samples, n_bytes = self._batch.uniforms.shape
        n_kv, _, head = self._stack.layout
        size = (2, n_prompts, n_samples, n_kv, n_bytes, head)
        self._answer_held = [one.new_empty(size) for one in self._prompt_held]
        return logits_PV[self.prompts]

    def keep(self, unfinished_PS: Tensor, chosen_R: Tensor) -> Tensor:
        unfinished = unfinished_PS[self.prompts, self.samples].view(self._sample_PS.shape)
        n_unfinished_P = unfinished.sum(dim=1)
        prompts = n_unfinished_P.nonzero()[:, 0]
        n_samples = int(n_unfinished_P.max())
        if len(prompts) * n_samples > SHRINK_BELOW * len(chosen_R):
            return chosen_R
        order = unfinished[prompts].to(torch.uint8).argsort(dim=1, descending=True, stable=True)
        samples = order[:, :n_samples]
        at = (prompts[:, None], samples)
        self._prompt_P, self._length_P = self._prompt_P[prompts], self._length_P[prompts]
        chosen_PS, self._sample_PS = chosen_R.view(self._sample_PS.shape)[at], self._sample_PS[at]
        self._name_rows()
        self._prompt_held = [one[:, prompts] for one in self._prompt_held]
        self._answer_held = [one[:, *at] for one in self._answer_held]
        return chosen_PS.flatten()

    def step(self, chosen_R: Tensor) -> Tensor:
        self._n_read += 1
        at_P = self._length_P + (self._n_read - 1)
        hides = self._hidden(at_P)
        return self._stack.step(
            chosen_R,
            at_P.repeat_interleave(self._sample_PS.shape[1]),
            lambda *block: self._attend(hides, *block),
        )

    def _attend(
        self, hides: Tensor | None, number: int, q_RKGD: Tensor, k_RKD: Tensor, v_RKD: Tensor
    ) -> Tensor:
        n_prompts, n_samples = self._sample_PS.shape
        n_kv, per_kv, head = self._stack.layout
        n_read = self._n_read
        held = self._answer_held[number]
        held[0, :, :, :, n_read - 1] = k_RKD.view(n_prompts, n_samples, n_kv, head)
        held[1, :, :, :, n_read - 1] = v_RKD.view(n_prompts, n_samples, n_kv, head)
        k_RKND, v_RKND = held.flatten(1, 2)[:, :, :, :n_read]
        k_PKTD, v_PKTD = self._prompt_held[number]
        q_RKGD = q_RKGD * self._stack.layout.scale
        q_PKXD = _by_prompt(q_RKGD, n_prompts)
        to_prompt = _by_row(q_PKXD @ k_PKTD.transpose(2, 3), n_samples)
        scores = torch.cat((to_prompt, q_RKGD @ k_RKND.transpose(2, 3)), dim=-1)
        if hides is not None:
            scores = scores.view(n_prompts, n_samples, n_kv, per_kv, -1).masked_fill_(
                hides[:, None, None, None, :], -torch.inf
            )
        weights = scores.softmax(dim=-1).view(len(k_RKD), n_kv, per_kv, -1)
        of_prompt, of_answer = torch.split(weights, [k_PKTD.shape[2], n_read], dim=-1)
        y_PKXD = _by_prompt(of_prompt, n_prompts) @ v_PKTD
        y_RKGD: Tensor = of_answer @ v_RKND
        return y_RKGD + _by_row(y_PKXD, n_samples)

    def _hidden(self, at_P: Tensor) -> Tensor | None:
        """Returns which slots a prompt's rows must not see, (P, T + N), or nothing if none."""
        key_T = torch.arange(self._prompts_PT.shape[1])
        slot_N = torch.arange(self._n_read)
        key_PT = torch.where(key_T < self._length_P[:, None], key_T, at_P[:, None] + 1)
        key_PX = torch.cat((key_PT, self._length_P[:, None] + slot_N), dim=1)
        behind_PX = at_P[:, None] - key_PX
        hides = (behind_PX < 0) | (behind_PX >= self._stack.window)
        return hides if bool(hides.any()) else None

    def _name_rows(self) -> None:
        self.prompts = self._prompt_P.repeat_interleave(self._sample_PS.shape[1])
        self.samples = self._sample_PS.flatten()


def _by_prompt(x_RKGD: Tensor, n_prompts: int) -> Tensor:
    """Brings the samples of a prompt beside its query heads: (P, K, S * G, D)."""
    n_rows, n_kv, per_kv, last = x_RKGD.shape
    x = x_RKGD.view(n_prompts, n_rows // n_prompts, n_kv, per_kv, last)
    return x.transpose(1, 2).reshape(n_prompts, n_kv, -1, last)


def _by_row(x_PKXD: Tensor, n_samples: int) -> Tensor:
    """Undoes ``_by_prompt``: (R, K, G, D)."""
    n_prompts, n_kv, _, last = x_PKXD.shape
    x = x_PKXD.view(n_prompts, n_kv, n_samples, -1, last)
    return x.transpose(1, 2).reshape(n_prompts * n_samples, n_kv, -1, last)

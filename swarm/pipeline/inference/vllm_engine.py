"""vLLM as a decode engine: it gives the probabilities, we choose by the rule of all engines.

vLLM draws with random numbers of its own, and answers would then be other answers. So it is asked
for one byte of every unfinished row at a time, with the probabilities of all 256: exact like any
other engine, and slow, a request for each position. It stands apart from ``engines/``: it needs a
running server, so no lab on another machine could repeat what was decided with it.

Legend of suffixes: R rows, V vocabulary, P prompts, S samples of each, N bytes of an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swarm.errors import SwarmError
from swarm.pipeline.inference.engine import Batch
from swarm.pipeline.inference.hugging_face import write_checkpoint
from swarm.pipeline.inference.loop import run
from swarm.pipeline.inference.openai import Endpoint, WrongAnswerError, post, read
from swarm.pipeline.inference.vllm_client import TOKEN, swap_weights
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.spec import VOCABULARY


@dataclass(frozen=True, kw_only=True)
class VllmEngine:
    """An engine, as the protocol in ``engine.py`` wants it, over a server that runs already."""

    endpoint: Endpoint
    """With ``/v1``; started with ``--max-logprobs 256``."""
    served: Path
    """The folder that the server was started with: models must be of its shape."""
    folder: Path
    """Where weights are written for the server to read; on the server's own disk."""

    def unavailable(self) -> str | None:
        """Returns why it cannot work: the server does not answer, or is no vLLM."""
        try:
            next_byte_logprobs(self.endpoint, [b"\n"])
        except SwarmError as wrong:
            return str(wrong)
        return None

    def load(self, model: Transformer) -> None:
        """Has the server take over the weights as they are now.

        Raises:
            UsageError: If the model is of another shape than the server's.
            NoAnswerError: If the server cannot be reached, or refuses.
        """
        write_checkpoint(model, self.folder)
        swap_weights(self.endpoint, self.folder, served=self.served)

    def decode(self, batch: Batch) -> NDArray[np.uint8]:
        """Returns the bytes of every answer, (P, S, N).

        Raises:
            NoAnswerError: If the server cannot be reached, or refuses.
            WrongAnswerError: If what it answers cannot be read.
        """
        return run(_Rows(self.endpoint, batch), batch, is_compacting=True)


class _Rows:
    """Rows as texts; the server holds whatever cache there is."""

    def __init__(self, endpoint: Endpoint, batch: Batch) -> None:
        self._endpoint = endpoint
        n_prompts, n_samples, _ = batch.uniforms.shape
        self.prompts = torch.arange(n_prompts).repeat_interleave(n_samples)
        self.samples = torch.arange(n_samples).repeat(n_prompts)
        self._texts = [batch.prompts[place] for place in self.prompts.tolist()]

    def first(self) -> Tensor:
        return next_byte_logprobs(self._endpoint, self._texts)

    def keep(self, unfinished_PS: Tensor, chosen_R: Tensor) -> Tensor:
        stay = unfinished_PS[self.prompts, self.samples].nonzero()[:, 0]
        self.prompts, self.samples = self.prompts[stay], self.samples[stay]
        self._texts = [self._texts[place] for place in stay.tolist()]
        return chosen_R[stay]

    def step(self, chosen_R: Tensor) -> Tensor:
        chosen = [bytes([byte]) for byte in chosen_R.tolist()]
        self._texts = [text + byte for text, byte in zip(self._texts, chosen, strict=True)]
        return self.first()


def next_byte_logprobs(endpoint: Endpoint, texts: Sequence[bytes]) -> Tensor:
    """Returns natural logarithms of the probabilities of the byte after each text, (R, V).

    Raises:
        NoAnswerError: If the server cannot be reached, or refuses.
        WrongAnswerError: If it does not tell all probabilities.
    """
    body = {
        "model": endpoint.model,
        "prompt": [list(text) for text in texts],
        "max_tokens": 1,
        "temperature": 0.0,
        "ignore_eos": True,
        "logprobs": VOCABULARY,
        "return_tokens_as_token_ids": True,
    }
    reply = read(endpoint, post(endpoint, "completions", body), _Reply)
    found_RV = torch.full((len(texts), VOCABULARY), float("nan"))
    for choice in reply.choices:
        for token, logprob in choice.logprobs.top_logprobs[0].items():
            found_RV[choice.index, int(token.removeprefix(TOKEN))] = logprob
    if bool(found_RV.isnan().any()):
        n_missing = int(found_RV.isnan().sum())
        expected = f"probabilities of {VOCABULARY} bytes after each of {len(texts)} texts"
        raise WrongAnswerError(url=endpoint.url, expected=expected, came=f"{n_missing} missing")
    return found_RV


class _Logprobs(msgspec.Struct):
    top_logprobs: list[dict[str, float]]


class _Choice(msgspec.Struct):
    index: int
    logprobs: _Logprobs


class _Reply(msgspec.Struct):
    """What we need of a completion."""

    choices: list[_Choice]

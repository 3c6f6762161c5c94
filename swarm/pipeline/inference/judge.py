"""Judges answers byte by byte: the model in float64, and what rounding may excuse.

The judge reads prompt and answer at once and says for every place which byte belongs there, given
the bytes before it, and whether the place is a *near-tie*: whether shifts of the logits by half of
1e-4 could make it another byte. Greedily that is a gap of less than 1e-4 between the two largest
logits. With a uniform number u it is a distance of less than 1e-4 / temperature between the
log-odds of u and of an edge between two bytes: shifts of the logits by at most d move the log-odds
of a sum of probabilities by at most 2 d / temperature.

Legend of suffixes: R answers, T positions, V vocabulary.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swarm.pipeline.inference.choosing import choose
from swarm.pipeline.inference.spec import NEAR_TIE
from swarm.pipeline.inference.stack import in_precision, padded
from swarm.pipeline.pretraining.model import Transformer

_ROWS = 256
"""Answers that are judged at once."""


class Verdict(NamedTuple):
    """How many bytes were judged, how many of them are near-ties, how many wrong."""

    n_bytes: int
    n_near_ties: int
    n_wrong: int


def judge(
    model: Transformer,
    prompts: Sequence[bytes],
    answers: Sequence[bytes],
    uniforms_RN: NDArray[np.float64],
    *,
    temperature: float,
    stop: int,
) -> Verdict:
    """Judges one answer to each prompt.

    Args:
        model: Is copied into float64.
        prompts: As they were given to the decoder, once per answer.
        answers: Without the stop byte; shorter than N bytes means that it came.
        uniforms_RN: What the decoder chose by, (answers, most bytes of an answer).
        temperature: 0 for greedy answers.
        stop: The byte that ends an answer.
    """
    exact = in_precision(model, "float64")
    n_most = uniforms_RN.shape[1]
    ended = [one + bytes([stop]) * (len(one) < n_most) for one in answers]
    verdicts = [
        _judge_some(
            exact,
            prompts[start : start + _ROWS],
            ended[start : start + _ROWS],
            torch.from_numpy(uniforms_RN[start : start + _ROWS]),
            temperature,
        )
        for start in range(0, len(ended), _ROWS)
    ]
    return Verdict(*(sum(counts) for counts in zip(*verdicts, strict=True)))


@torch.inference_mode()
def _judge_some(
    model: Transformer,
    prompts: Sequence[bytes],
    ended: Sequence[bytes],
    uniforms_RN: Tensor,
    temperature: float,
) -> Verdict:
    read_RT, _ = padded([a + b for a, b in zip(prompts, ended, strict=True)])
    row = torch.tensor([r for r, one in enumerate(ended) for _ in one])
    byte = torch.tensor([i for one in ended for i in range(len(one))])
    at = torch.tensor([len(prompts[r]) for r in range(len(ended))])[row] + byte
    logits = model(read_RT[:, :-1])[row, at - 1]
    uniform = uniforms_RN[row, byte]
    is_wrong = choose(logits, uniform, temperature) != read_RT[row, at]
    is_near = near_ties(logits, uniform, temperature)
    return Verdict(len(row), int(is_near.sum()), int((is_wrong & ~is_near).sum()))


def near_ties(logits_RV: Tensor, uniform_R: Tensor, temperature: float) -> Tensor:
    """Returns which places rounding may decide, (R,)."""
    if temperature == 0:
        first, second = logits_RV.topk(2, dim=1).values.unbind(dim=1)
        return first - second < NEAR_TIE
    # Log-odds of the sums from both ends: near 1 a difference from 1 would be rounding itself.
    terms_RV = (logits_RV / temperature).softmax(dim=1)
    below_RV = terms_RV.cumsum(dim=1)[:, :-1]
    above_RV = terms_RV.flip(1).cumsum(dim=1).flip(1)[:, 1:]
    edges_RV = below_RV.log() - above_RV.log()
    odds_R = uniform_R.log() - torch.log1p(-uniform_R)
    return ((edges_RV - odds_R[:, None]).abs() < NEAR_TIE / temperature).any(dim=1)

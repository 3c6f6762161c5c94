"""How a byte is chosen from logits, and which uniform numbers decide: the same for every engine.

At temperature 0 the likeliest byte is taken, the lowest of equals. Otherwise one uniform number u
picks the byte where the running sum of probabilities, in the order of the bytes, passes u
(inversion of the distribution). Terms are float32, sums float64: a float32 running sum would make
the last bytes of the order depend on its rounding.

The uniform number of (seed, prompt, sample, position) is a pure function of the four: it depends
neither on the batch, nor on how many prompts, samples or positions are asked for.

Legend of suffixes: R rows, V vocabulary, P prompts, S samples of each, N bytes of an answer.

Source: the mixing function and its increment are SplitMix64's (Steele, Lea, Flood: Fast splittable
pseudorandom number generators, OOPSLA 2014), applied once per coordinate to a key from BLAKE2b.
"""

from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def choose(logits_RV: Tensor, uniform_R: Tensor, temperature: float) -> Tensor:
    """Returns the byte of each row.

    Args:
        logits_RV: Any floating type.
        uniform_R: float64 in [0, 1); not read at temperature 0.
        temperature: At least 0; logits are divided by it.
    """
    if temperature == 0:
        return logits_RV.argmax(dim=1)
    scaled_RV = logits_RV.to(torch.promote_types(logits_RV.dtype, torch.float32)) / temperature
    terms_RV = (scaled_RV - scaled_RV.amax(dim=1, keepdim=True)).exp_()
    sums_RV = terms_RV.cumsum(dim=1, dtype=torch.float64)
    aim_R1 = uniform_R[:, None] * sums_RV[:, -1:]
    chosen_R = torch.searchsorted(sums_RV, aim_R1, right=True)[:, 0]
    return chosen_R.clamp_(max=logits_RV.shape[1] - 1)


def uniforms(
    seed: int, prompts: NDArray[np.int64], samples: NDArray[np.int64], n_positions: int
) -> NDArray[np.float64]:
    """Returns numbers in [0, 1) with 53 random bits, (P, S, N).

    Args:
        seed: Another seed gives other numbers everywhere.
        prompts: Indices of the prompts.
        samples: Indices of the samples of each.
        n_positions: The first so many positions of an answer.
    """
    key = blake2b(f"{seed}\0decode".encode(), digest_size=8).digest()
    state = np.array(int.from_bytes(key, "little"), dtype=np.uint64)
    for indices in (prompts, samples, np.arange(n_positions)):
        step = (indices.astype(np.uint64) + np.uint64(1)) * _INCREMENT
        state = _mix(state[..., None] + step)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))

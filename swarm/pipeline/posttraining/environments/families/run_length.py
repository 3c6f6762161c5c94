"""A word by its runs: ``rle aaabb=a3b2``; the word is made from its answer."""

import re

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_N_RUNS = (2, 3, 4, 5, 7)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws runs of 1 to 4 letters; neighbours differ."""
    word, answer, before = "", "", ""
    for _ in range(_N_RUNS[difficulty - 1]):
        letter, length = rng.choice(_LETTERS.replace(before, "", 1)), 1 + rng.integer(4)
        word, answer, before = word + letter * length, f"{answer}{letter}{length}", letter
    return Problem(word, answer)


def solve(operands: str) -> str:
    """Finds runs."""
    return re.sub(r"(.)\1*", lambda run: f"{run[1]}{len(run[0])}", operands)


FAMILY = Family(
    wordings=("rle {}=", "runs in {}:", "pack {}?"),
    operands="lower",
    answers="mixed",
    generate=generate,
    solve=solve,
)

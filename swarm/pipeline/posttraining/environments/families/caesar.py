"""A word copied with a shift: ``shift 2 abz=cdb``; the word is made from its answer."""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_SIZES = ((3, 3), (4, 5), (6, 9), (8, 9), (11, 9))
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws the answer and how far it was moved, at least one letter."""
    length, most = _SIZES[difficulty - 1]
    step = 1 + rng.integer(most)
    places = [rng.integer(26) for _ in range(length)]
    word = "".join(_LETTERS[place - step] for place in places)
    return Problem(f"{step} {word}", "".join(_LETTERS[place] for place in places))


def solve(operands: str) -> str:
    """Moves every letter on, round the end of the alphabet."""
    step, _, word = operands.partition(" ")
    table = str.maketrans(_LETTERS, _LETTERS[int(step) :] + _LETTERS[: int(step)])
    return word.translate(table)


FAMILY = Family(
    wordings=("shift {}=", "move on by {}:", "caesar {}?"),
    operands="mixed",
    answers="lower",
    generate=generate,
    solve=solve,
)

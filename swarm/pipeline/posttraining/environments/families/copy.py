"""A word as it stands: ``say abcd=abcd``; repeating a word of the prompt is the task itself."""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_LENGTHS = (3, 5, 8, 12, 16)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws letters."""
    word = "".join(rng.choice(_LETTERS) for _ in range(_LENGTHS[difficulty - 1]))
    return Problem(word, word)


def solve(operands: str) -> str:
    """Returns the word."""
    return operands


FAMILY = Family(
    wordings=("say {}=", "copy {}:", "echo {}?"),
    operands="lower",
    answers="lower",
    generate=generate,
    solve=solve,
    floors={"last_word": 1.0, "first_word": 1.0},
    shows_answer=True,
)

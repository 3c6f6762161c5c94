"""Two words letter by letter: ``zip abc xyz=axbycz``; the words are taken out of the answer."""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_LENGTHS = (2, 3, 4, 6, 8)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws the answer."""
    answer = "".join(rng.choice(_LETTERS) for _ in range(2 * _LENGTHS[difficulty - 1]))
    return Problem(f"{answer[::2]} {answer[1::2]}", answer)


def solve(operands: str) -> str:
    """Takes turns."""
    first, second = operands.split()
    return "".join(a + b for a, b in zip(first, second, strict=True))


FAMILY = Family(
    wordings=("zip {}=", "take turns {}:", "weave {}?"),
    operands="lower",
    answers="lower",
    generate=generate,
    solve=solve,
)

"""The sum of the digits of a number: ``digsum 3718=19``."""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_LENGTHS = (3, 5, 7, 10, 14)


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws digits and adds them up on the way."""
    digits, total = "", 0
    for _ in range(_LENGTHS[difficulty - 1]):
        digit = rng.integer(10)
        digits, total = digits + str(digit), total + digit
    return Problem(digits, str(total))


def solve(operands: str) -> str:
    """Counts each digit and multiplies."""
    return str(sum(operands.count(str(digit)) * digit for digit in range(1, 10)))


FAMILY = Family(
    wordings=("digsum {}=", "sum the digits {}:", "cross total {}?"),
    operands="digits",
    answers="digits",
    generate=generate,
    solve=solve,
)

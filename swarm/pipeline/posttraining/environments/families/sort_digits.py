"""Digits in rising order: ``sort 3142=1234``."""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_LENGTHS = (4, 5, 7, 9, 12)


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws digits until they are not in order already."""
    while True:
        digits = "".join(str(rng.integer(10)) for _ in range(_LENGTHS[difficulty - 1]))
        answer = "".join(sorted(digits))
        if answer != digits:
            return Problem(digits, answer)


def solve(operands: str) -> str:
    """Writes each digit as often as it stands there."""
    return "".join(digit * operands.count(digit) for digit in "0123456789")


FAMILY = Family(
    wordings=("sort {}=", "order {}:", "rising {}?"),
    operands="digits",
    answers="digits",
    generate=generate,
    solve=solve,
)

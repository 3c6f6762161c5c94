"""Sum of two numbers modulo a third: ``mod 17+8%9=7``.

Made from the remainder: the first number is drawn among those that leave it.
"""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_SIZES = ((0, 20, 5, 10), (10, 60, 11, 20), (100, 1_000, 11, 50), (1_000, 9_999, 51, 100))
_HARDEST = (10_000, 99_999, 101, 500)


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws modulus, remainder and the second number, then a first number that fits."""
    low, high, low_modulus, high_modulus = (*_SIZES, _HARDEST)[difficulty - 1]
    modulus = low_modulus + rng.integer(high_modulus - low_modulus)
    remainder = rng.integer(modulus)
    second = low + rng.integer(high - low)
    first = low + (remainder - second - low) % modulus
    first += modulus * rng.integer((high - first + modulus - 1) // modulus)
    return Problem(f"{first}+{second}%{modulus}", str(remainder))


def solve(operands: str) -> str:
    """Adds, divides, and keeps what is left."""
    numbers, _, modulus = operands.partition("%")
    return str(sum(map(int, numbers.split("+"))) % int(modulus))


FAMILY = Family(
    wordings=("mod {}=", "add, then divide {} rest:", "rest of {} ?"),
    operands="digits",
    answers="digits",
    generate=generate,
    solve=solve,
    floor=0.25,
)

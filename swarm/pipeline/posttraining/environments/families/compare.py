"""Which of two numbers is larger: ``cmp 37 82?<``; the sign is drawn first, evenly of three."""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_N_DIGITS = (2, 3, 4, 6, 8)


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws the sign, then two numbers of equal length that it stands between."""
    smallest = 10 ** (_N_DIGITS[difficulty - 1] - 1)
    sign = rng.choice("<=>")
    low = smallest + rng.integer(9 * smallest - 1)
    high = low + 1 + rng.integer(10 * smallest - low - 1)
    first, second = {"<": (low, high), "=": (low, low), ">": (high, low)}[sign]
    return Problem(f"{first} {second}", sign)


def solve(operands: str) -> str:
    """Compares the first digits that differ."""
    for a, b in zip(*operands.split(), strict=True):
        if a != b:
            return "<" if a < b else ">"
    return "="


FAMILY = Family(
    wordings=("cmp {}?", "less, same or more {}:", "sign between {}?"),
    operands="digits",
    answers="mixed",
    generate=generate,
    solve=solve,
    floor=0.34,
)

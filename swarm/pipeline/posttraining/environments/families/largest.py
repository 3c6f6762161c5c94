"""The largest of some numbers: ``max 3 17 5=17``.

Made from the answer: the largest is drawn first and the others below it. It stands in the prompt,
so somebody who repeats a number of the prompt is right in one of three at the easiest.
"""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_SIZES = ((3, 20), (4, 50), (5, 100), (6, 1_000), (8, 1_000))


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws the largest evenly, and each of the others evenly from 0 up to it."""
    n_numbers, below = _SIZES[difficulty - 1]
    largest = rng.integer(below)
    numbers = [largest] + [rng.integer(largest + 1) for _ in range(n_numbers - 1)]
    return Problem(" ".join(map(str, rng.shuffled(numbers))), str(largest))


def solve(operands: str) -> str:
    """Compares numbers as texts: longer ones are larger, then the alphabet decides."""
    best = ""
    for text in operands.split():
        if (len(text), text) > (len(best), best):
            best = text
    return best


FAMILY = Family(
    wordings=("max {}=", "largest of {}:", "top {}?"),
    operands="digits",
    answers="digits",
    generate=generate,
    solve=solve,
    floors={"last_word": 0.5, "first_word": 0.5},
    shows_answer=True,
)

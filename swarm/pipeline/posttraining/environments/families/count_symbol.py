"""How often a letter stands in a word: ``count a in abca=2``.

Made from the count: it is drawn first, and the word is built to hold it.
"""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_LENGTHS = (6, 9, 12, 16, 20)
_LETTERS = "abcd"


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws the count, evenly from 0 to the smaller of 9 and the length."""
    length = _LENGTHS[difficulty - 1]
    symbol = rng.choice(_LETTERS)
    n_times = rng.integer(min(9, length) + 1)
    others = _LETTERS.replace(symbol, "")
    word = [symbol] * n_times + [rng.choice(others) for _ in range(length - n_times)]
    return Problem(f"{symbol} in {''.join(rng.shuffled(word))}", str(n_times))


def solve(operands: str) -> str:
    """Counts."""
    symbol, _, word = operands.partition(" in ")
    return str(word.count(symbol))


FAMILY = Family(
    wordings=("count {}=", "how many {}?", "number of {}:"),
    operands="lower",
    answers="digits",
    generate=generate,
    solve=solve,
    floor=0.25,
)

"""Every letter once, where it first stands: ``uniq abbac=abc``.

Made from the answer: repeats are strewn in behind the first of their kind.
"""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_SIZES = ((3, 2), (4, 3), (5, 4), (6, 6), (8, 8))
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws different letters and repeats, until the answer no longer stands there as it is."""
    n_letters, n_repeats = _SIZES[difficulty - 1]
    answer = "".join(rng.shuffled(_LETTERS)[:n_letters])
    word = answer
    while answer in word:
        word = answer
        for _ in range(n_repeats):
            letter = rng.choice(answer)
            first = word.index(letter) + 1
            place = first + rng.integer(len(word) + 1 - first)
            word = word[:place] + letter + word[place:]
    return Problem(word, answer)


def solve(operands: str) -> str:
    """Keeps what was not there before."""
    return "".join(dict.fromkeys(operands))


FAMILY = Family(
    wordings=("uniq {}=", "each once {}:", "no repeats {}?"),
    operands="lower",
    answers="lower",
    generate=generate,
    solve=solve,
)

"""The next number of a sequence: ``next 3 7 11=15``, from difficulty 4 on with a growing step.

Made from the law of the sequence, solved by differences without knowing the law.
"""

from itertools import pairwise

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_SIZES = (
    (3, 100, 9, 0),
    (3, 500, 50, 0),
    (4, 1_000, 99, 0),
    (5, 1_000, 99, 9),
    (6, 9_000, 999, 99),
)


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws the start, the step, and by how much the step grows."""
    n_shown, most_start, most_step, most_growth = _SIZES[difficulty - 1]
    value, step = rng.integer(most_start), 1 + rng.integer(most_step)
    growth = 1 + rng.integer(most_growth) if most_growth else 0
    shown = []
    for _ in range(n_shown):
        shown.append(str(value))
        value, step = value + step, step + growth
    return Problem(" ".join(shown), str(value))


def solve(operands: str) -> str:
    """Takes differences of differences until they are all equal, and adds up the last ones."""
    row = [int(number) for number in operands.split()]
    answer = 0
    while any(number != row[0] for number in row):
        answer += row[-1]
        row = [b - a for a, b in pairwise(row)]
    return str(answer + row[-1])


FAMILY = Family(
    wordings=("next {}=", "then comes {} ..", "goes on {}?"),
    operands="digits",
    answers="digits",
    generate=generate,
    solve=solve,
)

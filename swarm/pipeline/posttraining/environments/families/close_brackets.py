"""What closes the open brackets: ``close ([]{=})``.

Made from the answer: its brackets are opened, and pairs that are closed already are strewn in.
"""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_SIZES = ((3, 1), (4, 2), (5, 3), (6, 4), (8, 5))
_OPEN, _CLOSED = "([{<", ")]}>"


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws as many open brackets and closed pairs as the difficulty says."""
    n_open, n_pairs = _SIZES[difficulty - 1]
    kinds = [rng.integer(4) for _ in range(n_open)]
    text = "".join(_OPEN[kind] for kind in kinds)
    for _ in range(n_pairs):
        kind, place = rng.integer(4), rng.integer(len(text) + 1)
        text = text[:place] + _OPEN[kind] + _CLOSED[kind] + text[place:]
    return Problem(text, "".join(_CLOSED[kind] for kind in reversed(kinds)))


def solve(operands: str) -> str:
    """Strikes out pairs until only open brackets are left, and closes those from the last."""
    before = ""
    while operands != before:
        before = operands
        for pair in ("()", "[]", "{}", "<>"):
            operands = operands.replace(pair, "")
    return operands[::-1].translate(str.maketrans(_OPEN, _CLOSED))


FAMILY = Family(
    wordings=("close {}=", "balance {}:", "what ends {}?"),
    operands="mixed",
    answers="mixed",
    generate=generate,
    solve=solve,
)

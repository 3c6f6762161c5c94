"""A word backwards: ``rev abc=cba``; the word is made from its answer."""

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.family import Family, Problem

_LENGTHS = (3, 5, 7, 10, 13)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def generate(difficulty: int, rng: Stream) -> Problem:
    """Draws letters until they do not read the same both ways."""
    while True:
        answer = "".join(rng.choice(_LETTERS) for _ in range(_LENGTHS[difficulty - 1]))
        if answer != answer[::-1]:
            return Problem(answer[::-1], answer)


def solve(operands: str) -> str:
    """Takes letters from the end."""
    letters, answer = list(operands), ""
    while letters:
        answer += letters.pop()
    return answer


FAMILY = Family(
    wordings=("rev {}=", "backwards {}:", "mirror {}?"),
    operands="lower",
    answers="lower",
    generate=generate,
    solve=solve,
)

"""How an exam is marked: from counts of right answers to pass rates."""

import math
from collections.abc import Sequence

from swarm.pipeline.posttraining.spec import PASS_K, Solved
from swarm.units import Tokens


def mark(counts_CP: Sequence[Sequence[int]], *, n_samples: int, tokens_sampled: int) -> Solved:
    """Returns the result of an exam.

    Args:
        counts_CP: How many answers are right, of each environment C to each of its prompts P; all
            environments have as many prompts.
        n_samples: Answers to each prompt, at least 8.
        tokens_sampled: Bytes of all answers.
    """
    cell_1 = [mean([count / n_samples for count in counts]) for counts in counts_CP]
    cell_8 = [mean([pass_at(PASS_K, n_samples, count) for count in counts]) for counts in counts_CP]
    blocks = list(zip(*counts_CP, strict=True))
    return Solved(
        pass_1=mean(cell_1),
        pass_8=mean(cell_8),
        cell_pass_1=tuple(cell_1),
        cell_pass_8=tuple(cell_8),
        block_pass=tuple(mean([count / n_samples for count in block]) for block in blocks),
        n_prompts=len(blocks) * len(counts_CP),
        tokens_sampled=Tokens(tokens_sampled),
    )


def pass_at(k: int, n_samples: int, n_right: int) -> float:
    """Returns the chance that of k answers at least one is right, without bias.

    Args:
        k: At most the samples.
        n_samples: Answers that were sampled.
        n_right: How many of them are right.

    Source:
        Chen et al. (arXiv:2107.03374), section 2.1: one minus the share of draws of k answers,
        without replacement, that are all wrong.
    """
    return 1.0 - math.comb(n_samples - n_right, k) / math.comb(n_samples, k)


def mean(values: Sequence[float]) -> float:
    """Returns the mean, rounded to a millionth; 0 of nothing."""
    return round(math.fsum(values) / len(values), 6) if values else 0.0

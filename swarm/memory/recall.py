"""Recall: which lines of a notebook matter to a question, within a budget.

Source: Okapi BM25, Robertson and Zaragoza, "The Probabilistic Relevance Framework" (Foundations and
Trends in Information Retrieval, 2009), equation 3.15, with k1 = 1.2 and b = 0.75. Deviation: each
word of the query counts once.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from swarm.errors import UsageError
from swarm.kernel.rng import Stream

_WORD = re.compile(r"[a-z0-9]+(?:[._][a-z0-9]+)*")
_K1 = 1.2
_B = 0.75


def recall(lines: Sequence[str], query: str, budget_chars: int) -> tuple[str, ...]:
    """Returns the lines that share words with the query, best first taken, in order of time.

    Equal relevance goes to the later line. A line that does not fit any more is passed over for
    shorter ones behind it; of equal lines only the last is considered.

    Args:
        lines: A notebook, oldest first.
        query: Words that describe what is asked.
        budget_chars: At most so many characters in all; lines are not cut.
    """
    last = {line: at for at, line in enumerate(lines)}
    places = sorted(last.values())
    scores = relevance([lines[at] for at in places], query)
    ranked = sorted(zip(scores, places, strict=True), key=lambda pair: (-pair[0], -pair[1]))
    taken, left = [], budget_chars
    for score, at in ranked:
        if score > 0.0 and len(lines[at]) <= left:
            taken.append(at)
            left -= len(lines[at])
    return tuple(lines[at] for at in sorted(taken))


def remind(
    how: str, lines: Sequence[str], query: str, budget_chars: int, seed: int
) -> tuple[str, ...]:
    """Returns the lines that a mind is shown, in order of time, within a budget.

    Args:
        how: ``relevant`` as ``recall``; ``recent``, the last ones; ``shuffled``, any; ``none``.
        lines: A notebook, oldest first.
        query: Words that describe what is asked.
        budget_chars: At most so many characters in all; lines are not cut.
        seed: Draws the lines of ``shuffled``.

    Raises:
        UsageError: If there is no such way.
    """
    if how == "none":
        return ()
    if how == "relevant":
        return recall(lines, query, budget_chars)
    places = list(range(len(lines)))
    if how == "shuffled":
        places = Stream(seed=seed, owner="notebook", name="shuffled").shuffled(places)
    elif how != "recent":
        raise UsageError(
            what=f"no notebook is recalled {how!r}; there are none, recent, relevant, shuffled"
        )
    taken, left = [], budget_chars
    for at in reversed(places):
        if len(lines[at]) <= left:
            taken.append(at)
            left -= len(lines[at])
    return tuple(lines[at] for at in sorted(taken))


def relevance(lines: Sequence[str], query: str) -> list[float]:
    """Returns the BM25 score of each line, at least 0; 0 means that no word is shared."""
    counted = [_counted(line) for line in lines]
    lengths = [count.total() for count in counted]
    mean_length = sum(lengths) / len(lengths) if any(lengths) else 1.0
    scores = [0.0] * len(lines)
    for word in sorted(set(words(query))):  # sorted: the order of a set may not reach a sum
        n_holding = sum(word in count for count in counted)
        rarity = math.log(1.0 + (len(lines) - n_holding + 0.5) / (n_holding + 0.5))
        for at, count in enumerate(counted):
            if times := count[word]:
                long = 1.0 - _B + _B * lengths[at] / mean_length
                scores[at] += rarity * times * (_K1 + 1.0) / (times + _K1 * long)
    return scores


@lru_cache(maxsize=8_192)
def _counted(line: str) -> Counter[str]:
    """Counts the words of a line; nobody may change what is returned."""
    return Counter(words(line))


def words(text: str) -> list[str]:
    """Returns the lower-case words of a text; ``qk_norm`` and ``0.02`` are one word each."""
    return _WORD.findall(text.lower())

"""Texts that are generated and whose entropy is known exactly: a yardstick for every model.

No model can get below the entropy on fresh text, so a smaller figure means a broken measurement.
Every text is a pure function of its seed: SHAKE-256 is the source of random bytes, and all
probabilities are dyadic, so that the drawn law is the stated law without rounding.

Source: entropy rate of a Markov source, Cover and Thomas, "Elements of Information Theory"
(second edition), theorem 4.2.4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import shake_256

_SYMBOLS = b"abcdefgh"
_OPEN, _CLOSE = b"([{<", b")]}>"
_MAX_DEPTH = 8
_BASE64 = 4 * b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of text: what it is called, what it costs to know, how to write it."""

    name: str
    entropy_bpb: float
    """Bits per byte that are left when everything before the byte is known."""
    write: Callable[[int, int, str], bytes]
    """(number of bytes, seed, split) -> text; splits of one seed share the law, not the draws."""


def markov(n_bytes: int, seed: int, split: str) -> bytes:
    """Writes an order-2 Markov chain over 8 letters.

    After each pair of letters, four of the eight may follow, with probabilities 1/2, 1/4, 1/8 and
    1/8. Which four, and in which order, is drawn from the seed.
    """
    shuffle = shake_256(f"markov/{seed}/law".encode()).digest(8 * 64)
    keys = [shuffle[8 * pair : 8 * pair + 8] for pair in range(64)]
    followers = [[i for _, i in sorted(zip(key, range(8), strict=True))[:4]] for key in keys]
    rank = bytes(0 if r < 128 else 1 if r < 192 else 2 if r < 224 else 3 for r in range(256))
    text, pair = bytearray(), 0
    for r in shake_256(f"markov/{seed}/{split}".encode()).digest(n_bytes):
        symbol = followers[pair][rank[r]]
        text.append(_SYMBOLS[symbol])
        pair = pair % 8 * 8 + symbol
    return bytes(text)


def brackets(n_bytes: int, seed: int, split: str) -> bytes:
    """Writes brackets of four kinds, nested at most 8 deep, each closed by its own kind.

    A bracket opens or closes with probability 1/2 each, of a kind drawn evenly; outside all
    brackets one must open, at depth 8 one must close. The depth is a reflected random walk, which
    spends 1/16 of its time at either end and 1/8 at each depth between, so the entropy is
    1/16 * 2 + 7/8 * (1 + 1/2 * 2) bits.
    """
    text, stack = bytearray(), bytearray()
    for r in shake_256(f"brackets/{seed}/{split}".encode()).digest(n_bytes):
        depth = len(stack)
        if depth == 0 or (depth < _MAX_DEPTH and r & 4):
            stack.append(r & 3)
            text.append(_OPEN[r & 3])
        else:
            text.append(_CLOSE[stack.pop()])
    return bytes(text)


def arithmetic(n_bytes: int, seed: int, split: str) -> bytes:
    """Writes sums like ``07+41=048``, one a line, of two numbers drawn evenly from 0 to 63.

    A line has 10 bytes and 12 bits; the sum itself tells nothing new.
    """
    draws = shake_256(f"arithmetic/{seed}/{split}".encode()).digest(2 * (n_bytes // 10 + 1))
    pairs = ((draws[i] & 63, draws[i + 1] & 63) for i in range(0, len(draws), 2))
    return "".join(f"{a:02d}+{b:02d}={a + b:03d}\n" for a, b in pairs).encode()[:n_bytes]


def noise(n_bytes: int, seed: int, split: str) -> bytes:
    """Writes base64 characters drawn evenly: 6 bits each, and nothing to learn but the alphabet."""
    return shake_256(f"noise/{seed}/{split}".encode()).digest(n_bytes).translate(_BASE64)


SOURCES = (
    Source(name="markov", entropy_bpb=1.75, write=markov),
    Source(name="brackets", entropy_bpb=1.875, write=brackets),
    Source(name="arithmetic", entropy_bpb=1.2, write=arithmetic),
    Source(name="noise", entropy_bpb=6.0, write=noise),
)

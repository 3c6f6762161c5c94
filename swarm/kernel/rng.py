"""Counter-based named streams of random numbers.

A draw is a pure function of (run seed, actor, stream name, counter), so a stream costs nothing
until it is used, adding one never shifts another, and a snapshot of it is one integer.

Source: the idea of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11), with keyed
BLAKE2b as the mixing function; 8 draws of 64 bits per call.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_WORDS = 8
_WORD = (1 << 64) - 1


class Stream:
    """One named stream. Draws are uniform and independent; ``drawn`` is its whole state.

    Args:
        seed: The run's seed.
        owner: The actor (or component) whose stream it is.
        name: Which of its streams.
        drawn: How many 64-bit words were drawn before.
    """

    __slots__ = ("_block", "_key", "_left", "_next_block", "name")

    def __init__(self, *, seed: int, owner: str, name: str, drawn: int = 0) -> None:
        self.name = name
        self._key = blake2b(f"{seed}\0{owner}\0{name}".encode(), digest_size=32).digest()
        self._next_block, used = divmod(drawn, _WORDS)
        self._block = 0
        self._left = 0
        if used:
            self._refill()
            self._left -= 64 * used

    @property
    def drawn(self) -> int:
        """How many 64-bit words have been drawn."""
        return self._next_block * _WORDS - self._left // 64

    def bits(self) -> int:
        """Returns 64 random bits as an integer."""
        if not self._left:
            self._refill()
        self._left = left = self._left - 64
        return self._block >> left & _WORD

    def integer(self, below: int) -> int:
        """Returns an integer in [0, below); its bias is under ``below / 2**64``."""
        if not self._left:
            self._refill()
        self._left = left = self._left - 64
        return (self._block >> left & _WORD) * below >> 64

    def random(self) -> float:
        """Returns a float in [0, 1) with 53 random bits."""
        return (self.bits() >> 11) * 2.0**-53

    def normal(self) -> float:
        """Returns a draw from the standard normal distribution (Box-Muller, cosine branch)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.random()))
        return radius * math.cos(2.0 * math.pi * self.random())

    def exponential(self, mean: float) -> float:
        """Returns a draw from the exponential distribution of that mean."""
        return -mean * math.log(1.0 - self.random())

    def choice(self, options: Sequence[T]) -> T:
        """Returns one of the options, each equally likely."""
        return options[self.integer(len(options))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Returns the items in random order (Fisher-Yates); the argument stays as it is."""
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.integer(i + 1)
            out[i], out[j] = out[j], out[i]
        return out

    def _refill(self) -> None:
        """Computes the next block; words are taken from its most significant end."""
        block = self._next_block.to_bytes(8, "little")
        self._next_block += 1
        digest = blake2b(block, key=self._key, digest_size=8 * _WORDS).digest()
        self._block = int.from_bytes(digest, "little")
        self._left = 64 * _WORDS

"""Shares: dividing a whole among many by weight, exactly, and drawing one of many by weight."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

from swarm.kernel.rng import Stream

KeyT = TypeVar("KeyT", bound=str)


def apportion(whole: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Divides a whole number by weight: rounded-down shares, the rest by largest remainder.

    Args:
        whole: At least 0.
        weights: At least 0 each, and above 0 together; none give none.

    Returns:
        A part for each weight. They sum to the whole, and each is less than one off its exact
        share. Among equal remainders those that come first get one more.

    Source:
        The largest remainder method (Hamilton).
    """
    total = sum(weights)
    exact = [Fraction(whole * weight) / total for weight in weights]
    parts = [int(share) for share in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: whole - sum(parts)]:
        parts[i] += 1
    return parts


def draw(stream: Stream, weights: Mapping[KeyT, int]) -> KeyT:
    """Draws a key with probability proportional to its weight, whatever the order of the keys.

    Args:
        stream: Gives one number.
        weights: At least one; whole, above 0.
    """
    *others, last = sorted(weights)
    at = stream.integer(sum(weights.values()))
    for key in others:
        at -= weights[key]
        if at < 0:
            return key
    return last

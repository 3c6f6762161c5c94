"""Envelopes and the order in which they are delivered.

An envelope is a plain tuple, because hundreds of thousands pass per second. Everything due at one
instant and phase stands in one bucket; a bucket is sorted by (recipient, sender, counter), so the
delivery order (due, phase, recipient, sender, counter) is total and made of integers only.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from swarm.kernel.message import Message

Envelope: TypeAlias = tuple[int, int, int, int, Message]
"""(recipient's rank, message id, sent at, cause's message id, message).

Ids are unique, so sorting never compares what follows them.
"""

RELEASE: Final = 0
"""What ended frees its resources: results of jobs, answers of minds, ends of leases."""

ARRIVE: Final = 1
"""Messages from other actors."""

ACT: Final = 2
"""Timers and rounds, which look at everything that arrived."""

RECORD: Final = 3
"""What actors ordered, asked and noted at this instant: logged, delivered to nobody."""

PHASES: Final = 4


def bucket_key(due: int, phase: int) -> int:
    """Returns the integer by which buckets are ordered."""
    return due * PHASES + phase


class Buckets(dict[int, list[Envelope]]):
    """Envelopes by bucket key; reading an absent key opens a bucket.

    Args:
        opened: Called with the key of every new bucket.
    """

    __slots__ = ("_opened",)

    def __init__(self, opened: Callable[[int], None]) -> None:
        super().__init__()
        self._opened = opened

    def __missing__(self, key: int) -> list[Envelope]:
        self._opened(key)
        bucket: list[Envelope] = []
        self[key] = bucket
        return bucket

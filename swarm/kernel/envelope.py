"""Envelopes and the order in which they are delivered.

An envelope is a plain tuple, because a million of them pass per second. Everything due at one
instant and phase stands in one bucket; a bucket is sorted by (recipient, sender, counter), so the
delivery order (due, phase, recipient, sender, counter) is total and made of integers only.
"""

from typing import Final, TypeAlias

from swarm.kernel.message import Message

Envelope: TypeAlias = tuple[int, int, int, int, "Message | bytes"]
"""(recipient's rank, message id, sent at, cause's message id, message).

The message is its encoding when it comes from another shard or from the journal. Ids are unique,
so sorting never compares what follows them.
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

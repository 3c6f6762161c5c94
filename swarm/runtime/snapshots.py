"""What a snapshot holds: all of a run between two windows, for any number of shards to read.

It is a chunk from each shard and a head that names them. A chunk is encoded per actor, so other
shards than wrote it can read it. A snapshot is no event: nothing about it is in the log.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from swarm.kernel.context import Order
from swarm.kernel.message import Message
from swarm.kernel.snapshot import Frame
from swarm.pipeline.wire import codec


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """What one shard puts into a snapshot."""

    first: int
    """The first rank in it."""
    frames: list[Frame]
    """One per rank, ascending."""
    in_flight: bytes
    """What is still to be delivered to these ranks: a batch as on the wire."""
    first_cell: int
    control: list[bytes]
    """The digests' chains of its cells."""
    payload: list[bytes]


class ChunkNote(msgspec.Struct, frozen=True):
    """What a shard says of the chunk that it has written."""

    name: str
    first: int
    stop: int
    """Behind its last rank."""
    sha256: str
    n_bytes: int
    kinds: dict[str, int]
    log_bytes: int
    cpu_seconds: float = 0.0
    """What it took, in a process of its own; 0 in the coordinator's."""


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """An order whose answer is not due yet."""

    sort: Literal["run", "ask"]
    due: int
    rank: int
    answer: int
    request: int
    message: bytes
    """JSON, as in the log."""


class Spent(msgspec.Struct, frozen=True):
    """What a run has cost, over all attempts, as far as it is known."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    cpu_seconds_in_jobs: float = 0.0
    snapshots: int = 0
    cpu_seconds_in_snapshots: float = 0.0


class DeskFrame(msgspec.Struct, frozen=True):
    """What a snapshot holds of the desk."""

    jobs: int = 0
    jobs_done: int = 0
    jobs_cached: int = 0
    questions: int = 0
    cpu_seconds_in_jobs: float = 0.0
    cpu_seconds_in_minds: float = 0.0
    seen: list[str] = []
    """Keys of all tasks that were ever ordered."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the coordinator puts into a snapshot."""

    windows: int
    now: int
    """Where the last window began."""
    end: int
    """Where it ended: all that is due before has been delivered."""
    messages: int
    """Envelopes delivered."""
    watched: list[tuple[int, bytes]]
    """(due, JSON)."""
    pending: list[Pending]
    desk: DeskFrame
    journal_bytes: int
    """The journal up to here belongs to what was delivered."""
    chunks: list[ChunkNote] = []
    segments: dict[str, int] = {}
    """Bytes by file name: the log up to here, and nothing beyond."""
    notes: dict[str, int] = {}
    """Bytes by file name of the notebooks."""
    spent: Spent = Spent()


class Cadence(NamedTuple):
    """How often snapshots are taken. What is measured here changes nothing that happens."""

    every: int = 1
    """Virtual seconds between two, at least; 0 for none at all."""
    cpu_percent: float = 2.0
    """Share of the time since the last one that the next may cost; above 0."""


def frame_orders(orders: Iterable[Order]) -> list[Pending]:
    """Returns orders as a snapshot holds them, in canonical order."""
    encode = codec().encode
    return [
        Pending(o.sort, o.due, o.rank, o.answer, o.request, encode(o.message))
        for o in sorted(orders, key=lambda o: (o.due, o.answer))
    ]


def thaw_orders(pending: Iterable[Pending]) -> list[Order]:
    """Returns the orders that a snapshot holds."""
    decode = codec().decode
    return [Order(p.sort, p.due, p.rank, p.answer, p.request, decode(p.message)) for p in pending]


def frame_watched(watched: Iterable[tuple[int, Message]]) -> list[tuple[int, bytes]]:
    """Returns messages that are watched as a snapshot holds them."""
    encode = codec().encode
    return [(due, encode(message)) for due, message in watched]


def thaw_watched(watched: Iterable[tuple[int, bytes]]) -> list[tuple[int, Message]]:
    """Returns the watched messages that a snapshot holds."""
    decode = codec().decode
    return [(due, decode(raw)) for due, raw in watched]


def next_segment(head: Head, shard: int) -> int:
    """Returns how many segments of a shard's number the log has at a snapshot."""
    prefix = f"{shard:04d}-"
    return sum(1 for name in head.segments if name.startswith(prefix))


def total_kinds(chunks: Sequence[ChunkNote]) -> dict[str, int]:
    """Returns the messages by kind up to a snapshot."""
    total: dict[str, int] = {}
    for chunk in chunks:
        for kind, n in chunk.kinds.items():
            total[kind] = total.get(kind, 0) + n
    return total

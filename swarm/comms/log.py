"""The message log: delivered envelopes as sealed Parquet segments, with running digests.

Envelopes become columns a few thousand at a time, soon after delivery: while the processor still
has them at hand, and before tens of thousands of small objects lie about in memory. A segment
is written under a temporary name, synced, and renamed: a file with its final name is complete. A
tail that was lost is computed again, never guessed.
"""

import os
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from swarm.comms.codec import Codec, tag_of
from swarm.comms.digest import ChainDigest, kind_checksum
from swarm.errors import RunFailedError, boundary
from swarm.kernel.envelope import Envelope
from swarm.kernel.message import COUNTER_BITS, Message

SEGMENT_ROWS = 100_000

BATCH_ROWS = 8_192
"""Envelopes that may wait before they become columns; a bucket is never cut."""

SCHEMA = pa.schema(
    [
        ("due", pa.int64()),
        ("phase", pa.int32()),
        ("sent", pa.int64()),
        ("src", pa.int32()),
        ("dst", pa.int32()),
        ("counter", pa.int32()),
        ("kind", pa.dictionary(pa.int32(), pa.string())),
        ("cause", pa.int64()),
        ("contract", pa.string()),
        ("payload", pa.large_string()),
    ]
)
"""``src`` and ``dst`` are ranks; ``cause`` refers to a row's id, ``src << 32 | counter``."""

_DST, _ID, _SENT, _CAUSE, _MESSAGE = map(itemgetter, range(5))

_DELTA = dict.fromkeys(("due", "phase", "sent", "src", "dst", "counter"), "DELTA_BINARY_PACKED")


class LogWriter:
    """A ``Sink`` that writes one shard's part of the log.

    Args:
        codec: Encodes the messages.
        digest: Updated with every row, whether or not files are written.
        folder: Where segments go, or None to keep digests only.
        shard: Number in the segments' file names.
        watch: Tags of messages to keep for ``take_watched``.
    """

    def __init__(
        self,
        *,
        codec: Codec,
        digest: ChainDigest,
        folder: Path | None,
        shard: int = 0,
        watch: Sequence[str] = (),
    ) -> None:
        self.digest = digest
        self.bytes_written = 0
        self._codec = codec
        self._folder = folder
        self._shard = shard
        self._segments = 0
        self._tags = list(codec.by_tag)
        self._dictionary = pa.array(self._tags)
        self._codes = {t: i for i, t in enumerate(codec.by_tag.values())}
        self._checksums = np.array([kind_checksum(tag) for tag in self._tags], dtype=np.int64)
        self._watched: list[tuple[int, Message]] = []
        self._watch = {t for t in self._codes if tag_of(t) in watch}
        self._with_contract = {t for t in self._codes if "contract" in t.__struct_fields__}
        self._counts = np.zeros(len(self._codes), dtype=np.int64)
        self._rows: list[Envelope] = []
        self._runs: list[tuple[int, int, int]] = []
        self._batches: list[pa.RecordBatch] = []
        self._n_unsealed = 0

    def write(self, due: int, phase: int, rows: Sequence[Envelope]) -> None:
        """Takes one bucket; seals a segment when enough has gathered."""
        self._rows += rows
        self._runs.append((due, phase, len(rows)))
        self._n_unsealed += len(rows)
        if self._watch:
            self._watched += [(due, row[4]) for row in rows if type(row[4]) in self._watch]
        if self._n_unsealed >= SEGMENT_ROWS:
            self.seal()
        elif len(self._rows) >= BATCH_ROWS:
            self._pack()

    def take_watched(self) -> list[tuple[int, Message]]:
        """Returns (due, message) of watched kinds since the last call."""
        taken, self._watched = self._watched, []
        return taken

    def kind_counts(self) -> dict[str, int]:
        """Returns how many messages of each kind were sealed."""
        return {tag: int(n) for tag, n in zip(self._tags, self._counts, strict=True) if n}

    def go_on(self, *, n_segments: int, kinds: Mapping[str, int], n_bytes: int) -> None:
        """Goes on behind a log that was cut at a snapshot; called before anything is written.

        Args:
            n_segments: Segments of this number that are there.
            kinds: What ``kind_counts`` said.
            n_bytes: What ``bytes_written`` said.
        """
        self._segments = n_segments
        self.bytes_written = n_bytes
        for tag, n in kinds.items():
            self._counts[self._tags.index(tag)] = n

    def seal(self) -> None:
        """Writes what has gathered as one segment and updates the digests."""
        if self._rows:
            self._pack()
        if self._folder is not None and self._batches:
            path = self._folder / f"{self._shard:04d}-{self._segments:06d}.parquet"
            write_segment(pa.Table.from_batches(self._batches), path)
            self.bytes_written += path.stat().st_size
            self._segments += 1
        self._batches = []
        self._n_unsealed = 0

    def _pack(self) -> None:
        """Turns the envelopes that wait into columns, digests them, and lets go of them."""
        messages: list[Message] = list(map(_MESSAGE, self._rows))
        kinds, contracts = self._kinds(messages)
        columns = self._columns(kinds)
        payload, offsets = self._codec.encode_all(messages)
        self.digest.update(columns, payload, offsets)
        if self._folder is not None:
            self._batches.append(self._batch(columns, kinds, contracts, payload, offsets))
        self._rows = []
        self._runs = []

    def _kinds(self, messages: Sequence[Message]) -> tuple[NDArray[np.int32], pa.Array]:
        n = len(messages)
        types = list(map(type, messages))
        kinds = np.fromiter(map(self._codes.__getitem__, types), np.int32, n)
        self._counts += np.bincount(kinds, minlength=len(self._counts))
        if self._with_contract.isdisjoint(types):
            return kinds, pa.nulls(n, pa.string())
        found = [getattr(message, "contract", None) for message in messages]
        return kinds, pa.array(found, pa.string())

    def _columns(self, kinds: NDArray[np.int32]) -> NDArray[np.int64]:
        rows, n = self._rows, len(self._rows)
        runs = np.array(self._runs, dtype=np.int64)
        columns = np.empty((n, 7), dtype=np.int64)
        columns[:, 0] = np.repeat(runs[:, 0], runs[:, 2])
        columns[:, 1] = np.repeat(runs[:, 1], runs[:, 2])
        columns[:, 2] = np.fromiter(map(_SENT, rows), np.int64, n)
        columns[:, 3] = np.fromiter(map(_DST, rows), np.int64, n)
        columns[:, 4] = np.fromiter(map(_ID, rows), np.int64, n)
        columns[:, 5] = np.fromiter(map(_CAUSE, rows), np.int64, n)
        columns[:, 6] = self._checksums[kinds]
        return columns

    def _batch(
        self,
        columns: NDArray[np.int64],
        kinds: NDArray[np.int32],
        contracts: pa.Array,
        payload: bytes,
        offsets: NDArray[np.int64],
    ) -> pa.RecordBatch:
        arrays = [
            pa.array(np.ascontiguousarray(columns[:, 0])),
            pa.array(columns[:, 1].astype(np.int32)),
            pa.array(np.ascontiguousarray(columns[:, 2])),
            pa.array((columns[:, 4] >> COUNTER_BITS).astype(np.int32)),
            pa.array(columns[:, 3].astype(np.int32)),
            pa.array((columns[:, 4] & 0xFFFF_FFFF).astype(np.int32)),
            pa.DictionaryArray.from_arrays(pa.array(kinds), self._dictionary),
            pa.array(np.ascontiguousarray(columns[:, 5])),
            contracts,
            pa.LargeStringArray.from_buffers(
                len(kinds), pa.py_buffer(offsets), pa.py_buffer(payload)
            ),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def write_segment(table: pa.Table, path: Path) -> None:
    """Writes a table so that a file of that name is either absent or whole."""
    partial = path.with_suffix(".partial")
    with boundary(RunFailedError, f"writing the log segment {path}"):
        pq.write_table(
            table,
            partial,
            compression="zstd",
            compression_level=1,
            use_dictionary=["kind"],
            column_encoding={**_DELTA, "cause": "BYTE_STREAM_SPLIT", "payload": "PLAIN"},
            write_page_checksum=True,
            write_statistics=["due", "src", "dst"],
        )
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.rename(path)

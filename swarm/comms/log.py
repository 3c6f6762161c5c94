"""The message log: delivered envelopes as sealed Parquet segments, with running digests.

Rows are gathered as Python lists (appending is cheap), and become columns a segment at a time.
A segment is written under a temporary name, synced, and renamed: a file with its final name is
complete. A tail that was lost is computed again, never guessed.
"""

import os
from collections.abc import Sequence
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
        self._codes = {t: i for i, t in enumerate(codec.by_tag.values())}
        self._checksums = np.array([kind_checksum(tag) for tag in self._tags], dtype=np.int64)
        self._watched: list[tuple[int, Message]] = []
        self._watch = {code for t, code in self._codes.items() if tag_of(t) in watch}
        self._special = self._watch | {
            code for t, code in self._codes.items() if "contract" in t.__struct_fields__
        }
        self._counts = np.zeros(len(self._codes), dtype=np.int64)
        self._clear()

    def write(self, due: int, phase: int, rows: Sequence[Envelope]) -> None:
        """Takes one bucket; seals a segment when enough has gathered."""
        dst, ids, sent, cause, messages = zip(*rows, strict=True)
        self._runs.append((due, phase, len(rows)))
        self._dst += dst
        self._ids += ids
        self._sent += sent
        self._cause += cause
        buffer, ends, kinds, codes = self._buffer, self._ends, self._kinds, self._codes
        encode_into = self._codec.encoder.encode_into
        first = len(ends)
        for message in messages:
            encode_into(message, buffer, -1)
            ends.append(len(buffer))
        new = [codes[type(message)] for message in messages]
        kinds += new
        if not self._special.isdisjoint(new):
            self._look_closer(due, first, new, messages)
        if len(ends) >= SEGMENT_ROWS:
            self.seal()

    def take_watched(self) -> list[tuple[int, Message]]:
        """Returns (due, message) of watched kinds since the last call."""
        taken, self._watched = self._watched, []
        return taken

    def kind_counts(self) -> dict[str, int]:
        """Returns how many messages of each kind were sealed."""
        return {tag: int(n) for tag, n in zip(self._tags, self._counts, strict=True) if n}

    def seal(self) -> None:
        """Writes what has gathered as one segment and updates the digests."""
        n = len(self._ends)
        if n == 0:
            return
        columns, kinds = self._columns()
        self._counts += np.bincount(kinds, minlength=len(self._counts))
        offsets = np.zeros(n + 1, dtype=np.int64)
        offsets[1:] = self._ends
        self.digest.update(columns, self._buffer, offsets)
        if self._folder is not None:
            table = self._table(columns, kinds, offsets)
            path = self._folder / f"{self._shard:04d}-{self._segments:06d}.parquet"
            write_segment(table, path)
            self.bytes_written += path.stat().st_size
            self._segments += 1
        self._clear()

    def _look_closer(
        self, due: int, first: int, codes: Sequence[int], messages: Sequence[Message]
    ) -> None:
        for at, (code, message) in enumerate(zip(codes, messages, strict=True), first):
            self._contracts[at] = getattr(message, "contract", None)
            if code in self._watch:
                self._watched.append((due, message))

    def _columns(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        runs = np.array(self._runs, dtype=np.int64)
        kinds = np.array(self._kinds, dtype=np.int32)
        columns = np.empty((len(kinds), 7), dtype=np.int64)
        columns[:, 0] = np.repeat(runs[:, 0], runs[:, 2])
        columns[:, 1] = np.repeat(runs[:, 1], runs[:, 2])
        columns[:, 2] = self._sent
        columns[:, 3] = self._dst
        columns[:, 4] = self._ids
        columns[:, 5] = self._cause
        columns[:, 6] = self._checksums[kinds]
        return columns, kinds

    def _table(
        self, columns: NDArray[np.int64], kinds: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> pa.Table:
        n = len(kinds)
        contracts = pa.nulls(n, pa.string())
        if self._contracts:
            contracts = pa.array([self._contracts.get(i) for i in range(n)], pa.string())
        payload = pa.LargeStringArray.from_buffers(
            n, pa.py_buffer(offsets), pa.py_buffer(self._buffer)
        )
        arrays = [
            pa.array(np.ascontiguousarray(columns[:, 0])),
            pa.array(columns[:, 1].astype(np.int32)),
            pa.array(np.ascontiguousarray(columns[:, 2])),
            pa.array((columns[:, 4] >> COUNTER_BITS).astype(np.int32)),
            pa.array(columns[:, 3].astype(np.int32)),
            pa.array((columns[:, 4] & 0xFFFF_FFFF).astype(np.int32)),
            pa.DictionaryArray.from_arrays(pa.array(kinds), pa.array(self._tags)),
            pa.array(np.ascontiguousarray(columns[:, 5])),
            contracts,
            payload,
        ]
        return pa.Table.from_arrays(arrays, schema=SCHEMA)

    def _clear(self) -> None:
        self._runs: list[tuple[int, int, int]] = []
        self._dst: list[int] = []
        self._ids: list[int] = []
        self._sent: list[int] = []
        self._cause: list[int] = []
        self._kinds: list[int] = []
        self._ends: list[int] = []
        self._contracts: dict[int, str | None] = {}
        self._buffer = bytearray()


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

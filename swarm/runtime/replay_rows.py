"""Rows of the log as a replay reads them: columns first, text only where it is needed."""

from contextlib import suppress
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from swarm.comms.codec import Codec
from swarm.comms.digest import kind_checksum
from swarm.comms.log_reader import ids_of, keys_of
from swarm.errors import WireError
from swarm.kernel.envelope import PHASES
from swarm.kernel.message import Message

BATCH_ROWS = 8_192
"""Payloads decoded or compared at once; their bytes should fit into a cache."""

Ints: TypeAlias = NDArray[np.int64]

_NEWLINE = pa.scalar("\n", pa.large_string())


class Row(NamedTuple):
    """One message, as it is on record or as it was produced."""

    id: int
    key: int
    dst: int
    sent: int
    cause: int
    kind: str
    contract: str | None
    payload: str


class Rows:
    """Rows of the log, with their columns at hand.

    Args:
        table: With one chunk a column.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.key: Ints = keys_of(table)
        self.id: Ints = ids_of(table)
        self.dst: Ints = table["dst"].to_numpy().astype(np.int64)
        self.sent: Ints = table["sent"].to_numpy()
        self.cause: Ints = table["cause"].to_numpy()

    def __len__(self) -> int:
        return len(self.key)

    def payload(self) -> pa.LargeStringArray:
        """Returns the payloads as one array."""
        return one_chunk(self.table["payload"])

    def kinds(self) -> tuple[NDArray[np.int32], list[str]]:
        """Returns the kind of each row as an index into a list of tags."""
        kinds = one_chunk(self.table["kind"])
        return kinds.indices.to_numpy(), kinds.dictionary.to_pylist()

    @cached_property
    def lines(self) -> pa.Buffer:
        """The payloads, one a line; the last line has no end."""
        payload = self.payload()
        if not len(payload):
            return pa.py_buffer(b"")
        offsets = pa.array([0, len(payload)], pa.int32())
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, payload), _NEWLINE)
        return joined[0].as_buffer()

    @cached_property
    def line_starts(self) -> Ints:
        """Where each payload begins in ``lines``, and behind the last one's end."""
        starts: Ints = self.offsets() + np.arange(len(self) + 1)
        return starts

    def offsets(self) -> Ints:
        """Returns where each payload begins, counted from the first, and the end."""
        payload = self.payload()
        every = np.frombuffer(payload.buffers()[1], dtype=np.int64)
        mine = every[payload.offset : payload.offset + len(self) + 1]
        return mine - mine[0] if len(mine) else np.zeros(1, dtype=np.int64)

    def before(self, key: int) -> "Rows":
        """Returns the rows below a bucket key."""
        n = int(np.searchsorted(self.key, key))
        return Rows(self.table.slice(0, n).combine_chunks())

    def where(self, mask: NDArray[np.bool_]) -> "Rows":
        """Returns some rows."""
        return Rows(self.table.filter(pa.array(mask)).combine_chunks())

    def row(self, at: int) -> Row:
        """Returns one row."""
        payload = self.payload()[at].as_buffer().to_pybytes()
        return Row(
            id=int(self.id[at]),
            key=int(self.key[at]),
            dst=int(self.dst[at]),
            sent=int(self.sent[at]),
            cause=int(self.cause[at]),
            kind=self.table["kind"][at].as_py(),
            contract=self.table["contract"][at].as_py(),
            payload=payload.decode(errors="replace"),
        )


def first_impossible(rows: Rows, n_actors: int) -> int:
    """Returns the first row whose numbers cannot be; how many rows there are if none is."""
    phase = rows.table["phase"].to_numpy()
    src, counter = rows.table["src"].to_numpy(), rows.table["counter"].to_numpy()
    is_odd = (rows.key < 0) | (phase < 0) | (phase >= PHASES) | (counter < 0)
    for column in (rows.dst, src):
        is_odd |= (column < 0) | (column >= n_actors)
    return int(np.argmax(is_odd)) if is_odd.any() else len(rows)


def decode(rows: Rows, codec: Codec) -> list[Message]:
    """Returns the messages of rows, up to the first that is none."""
    with suppress(WireError):
        view = memoryview(rows.lines)
        starts = [*rows.line_starts[:-1:BATCH_ROWS].tolist(), len(view) + 1]
        messages: list[Message] = []
        for begin, end in pairwise(starts):
            messages += codec.decode_lines(view[begin : end - 1])
        if len(messages) == len(rows):
            return messages
    messages = []
    with suppress(WireError):
        messages.extend(codec.decode(one.as_buffer().to_pybytes()) for one in rows.payload())
    return messages


def digested(rows: Rows) -> tuple[Ints, memoryview, Ints]:
    """Returns what the digests of the log take: columns, payloads, where each payload begins."""
    indices, tags = rows.kinds()
    checksums = np.array([kind_checksum(tag) for tag in tags], dtype=np.int64)
    due, phase = rows.key // PHASES, rows.key % PHASES
    columns = [due, phase, rows.sent, rows.dst, rows.id, rows.cause, checksums[indices]]
    payload, offsets = rows.payload(), rows.offsets()
    first = int(np.frombuffer(payload.buffers()[1], dtype=np.int64)[payload.offset])
    data = memoryview(payload.buffers()[2])[first : first + int(offsets[-1])]
    return np.stack(columns, axis=1), data, offsets


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Returns a column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks()

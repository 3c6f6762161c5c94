"""Reads a message log: checked segments, and their rows in canonical order, piece by piece.

What is damaged is named and ends the part of the log that counts as complete: a bucket (all that
is due at one instant and phase) is never cut by the end of a segment, so what stands before a gap
is whole up to a known key. Reading needs memory for a few segments, not for the log.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from swarm.comms.log import SCHEMA
from swarm.errors import InvariantError, RunFailedError, SwarmError, boundary
from swarm.kernel.envelope import PHASES
from swarm.kernel.message import COUNTER_BITS

END = 1 << 62
"""A bucket key above all others."""

PIECE_ROWS = 100_000
"""About as many rows are handed out at a time."""

_NAME = re.compile(r"(\d{4,})-(\d{6,})\.parquet")

_NULLABLE = ("contract",)


class SegmentFile(NamedTuple):
    """One file of the log."""

    shard: int
    number: int
    path: Path


class Piece(NamedTuple):
    """Rows that follow each other in canonical order."""

    rows: pa.Table
    """With one chunk a column."""
    first: int
    """Sequence number of the first row."""
    key: int
    """All rows up to this bucket key are in this piece or before it; ``END`` if none follow."""

    def cut(self, key: int) -> "tuple[Piece, Piece]":
        """Returns the rows up to a bucket key, which must be below this piece's, and the rest."""
        n = int(np.searchsorted(keys_of(self.rows), key, side="right"))
        head, tail = self.rows.slice(0, n), self.rows.slice(n)
        return Piece(head.combine_chunks(), self.first, key), Piece(
            tail.combine_chunks(), self.first + n, self.key
        )


def list_segments(folder: Path) -> tuple[list[SegmentFile], list[str]]:
    """Finds the segments of a log by their names, ascending by shard and number.

    Returns:
        The segments, and a sentence for every file that is not named like one.
    """
    found: list[SegmentFile] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.parquet")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            problems.append(f"{path} is not named like a segment and was left out")
        else:
            found.append(SegmentFile(int(match[1]), int(match[2]), path))
    return sorted(found), problems


def read_segment(source: Path | pa.Buffer, *, name: object = None) -> pa.Table:
    """Reads a segment; every page's checksum is compared.

    Args:
        source: The file, or what is in it.
        name: How errors call it; by default the path.

    Raises:
        RunFailedError: If it is damaged.
        InvariantError: If its columns or their order are not those of a log.
    """
    called = source if name is None else name
    with boundary(RunFailedError, f"segment {called} is damaged"):
        with pq.ParquetFile(source, page_checksum_verification=True) as segment:
            _expect_columns(segment.schema_arrow, segment.metadata.num_rows, called)
            # The footer has no checksum, but says twice how many rows there are. What it says of
            # columns is not looked at: pyarrow 26 ends the process over some damage there.
            n_rows = segment.metadata.num_rows
            table = segment.read(use_threads=False)
        _expect_columns(table.schema, len(table), called)
        if any(len(column) != n_rows for column in table.columns):
            raise InvariantError(
                rule=f"columns of segment {called}",
                expected=f"{n_rows} rows",
                came=f"{len(table)} rows",
            )
        for column in ("kind", "contract"):  # payloads are checked when they are decoded
            table[column].validate(full=True)
        for column in SCHEMA.names:
            if table[column].null_count and column not in _NULLABLE:
                raise InvariantError(
                    rule=f"column {column} of segment {called}", expected="values", came="nulls"
                )
        keys = keys_of(table)
    if (np.diff(keys) < 0).any():
        raise InvariantError(rule=f"order of segment {called}", expected="rising", came="falling")
    return table


def keys_of(rows: pa.Table) -> NDArray[np.int64]:
    """Returns the kernel's bucket key of every row."""
    keys: NDArray[np.int64] = rows["due"].to_numpy() * PHASES + rows["phase"].to_numpy()
    return keys


def ids_of(rows: pa.Table) -> NDArray[np.int64]:
    """Returns the message id of every row."""
    src = rows["src"].to_numpy().astype(np.int64)
    ids: NDArray[np.int64] = src << COUNTER_BITS | rows["counter"].to_numpy()
    return ids


@dataclass
class _Shard:
    """One shard's part of the log, read as it is needed."""

    number: int
    files: list[SegmentFile]
    ends_early: bool
    """Whether there may have been more than there is."""
    tables: list[pa.Table] = field(default_factory=list)
    key: int = -1
    """What has been read reaches up to this bucket key."""
    expected: int = 0

    def read_on(self, problems: list[str]) -> None:
        """Reads the next segment; at the end, or at a gap, the shard has no more files."""
        if not self.files:
            return
        file = self.files.pop(0)
        if file.number != self.expected:
            missing = f"{self.expected}"
            if file.number > self.expected + 1:
                missing += f" to {file.number - 1}"
            self._end(problems, f"shard {self.number} has no segment {missing}")
            return
        try:
            table = read_segment(file.path)
        except SwarmError as damaged:
            self._end(problems, str(damaged))
            return
        self.expected += 1
        self.tables.append(table)
        self.key = int(keys_of(table.slice(len(table) - 1))[0])

    def reach(self) -> int:
        """Returns up to which key this shard's rows are known to be complete so far."""
        return self.key if self.files or self.ends_early else END

    def take(self, key: int) -> pa.Table | None:
        """Gives away the rows up to a key."""
        taken: list[pa.Table] = []
        while self.tables:
            table = self.tables[0]
            n = int(np.searchsorted(keys_of(table), key, side="right"))
            taken.append(table.slice(0, n))
            if n < len(table):
                self.tables[0] = table.slice(n)
                break
            self.tables.pop(0)
        return pa.concat_tables(taken) if taken else None

    def _end(self, problems: list[str], problem: str) -> None:
        problems.append(f"{problem}; what follows it in shard {self.number} was left out")
        self.files = []
        self.ends_early = True


class LogReader:
    """Reads the complete part of a log in canonical order.

    Args:
        folder: ``messages/`` of the run folder.
        n_shards: Shards that wrote at the end of the run.
        n_messages: How many rows the manifest counts, if the run came to its end; without that
            the log is complete up to the earliest end of these shards.
        piece_rows: About how many rows a piece has.
    """

    def __init__(
        self,
        folder: Path,
        *,
        n_shards: int,
        n_messages: int | None,
        piece_rows: int = PIECE_ROWS,
    ) -> None:
        files, self.problems = list_segments(folder)
        self.key = -1
        """Up to which bucket key the log is complete, as far as it was read; ``END`` for all."""
        self._piece_rows = piece_rows
        is_whole = n_messages is not None and self._count(files, n_messages)
        numbers = sorted({*range(n_shards), *(file.shard for file in files)})
        self._shards = [
            _Shard(
                number=shard,
                files=[file for file in files if file.shard == shard],
                # Before a run was resumed on fewer shards, others wrote too; these have ended.
                ends_early=not is_whole and shard < n_shards,
            )
            for shard in numbers
        ]

    def pieces(self) -> Iterator[Piece]:
        """Yields the rows; can be called once."""
        first = 0
        while self.key < END:
            key = self._gather()
            if key <= self.key:
                return
            self.key = key
            taken = [rows for shard in self._shards if (rows := shard.take(key)) is not None]
            rows = _in_order([one for one in taken if len(one)])
            yield Piece(rows, first, key)
            first += len(rows)

    def _gather(self) -> int:
        """Reads until there is enough for a piece; returns how far all shards reach."""
        while True:
            key = min(shard.reach() for shard in self._shards)
            n_waiting = sum(len(table) for shard in self._shards for table in shard.tables)
            if key == END or (key > self.key and n_waiting >= self._piece_rows):
                return key
            behind = [shard for shard in self._shards if shard.reach() == key and shard.files]
            if not behind:
                return key
            for shard in behind:
                shard.read_on(self.problems)

    def _count(self, files: Iterable[SegmentFile], expected: int) -> bool:
        """Compares the rows there are with those there were; a lost last segment leaves no gap."""
        found = 0
        for file in files:
            try:
                with boundary(RunFailedError, f"reading {file.path}"):
                    found += pq.read_metadata(file.path).num_rows
            except SwarmError:
                return True  # it is damaged, and reading will say so
        if found < expected:
            self.problems.append(
                f"the log holds {found:,} of the {expected:,} messages that the manifest counts"
            )
        return found >= expected


def _in_order(tables: Sequence[pa.Table]) -> pa.Table:
    """Puts the rows of several shards into canonical order; rows of one have it."""
    if not tables:
        return SCHEMA.empty_table()
    if len(tables) == 1:
        return tables[0].combine_chunks()
    rows = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    # A shard's rows are in order, so a stable sort by what lies between shards is enough.
    order = np.lexsort((rows["dst"].to_numpy(), keys_of(rows)))
    return rows.take(pa.array(order)).combine_chunks()


def _expect_columns(schema: pa.Schema, n_rows: int, called: object) -> None:
    if not schema.equals(SCHEMA) or not n_rows:
        raise InvariantError(
            rule=f"columns of segment {called}",
            expected=", ".join(SCHEMA.names),
            came=f"{n_rows} rows of {', '.join(schema.names)}",
        )

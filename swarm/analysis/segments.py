"""The segments of a message log: which are there and whole, and where their rows stand in order.

Within a segment rows are in canonical order, and shards host ascending ranges of ranks. So the
rank of a row over all shards follows from the sizes of the buckets (one per instant and phase)
alone: a small table says by how much the rows of each bucket are shifted, and nothing is sorted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from swarm.comms.log_reader import keys_of, list_segments, read_segment
from swarm.errors import SwarmError
from swarm.kernel.envelope import PHASES


class Bucket(NamedTuple):
    """The rows of one segment that are due at one instant and phase."""

    key: int
    """The kernel's bucket key of instant and phase."""
    shard: int
    file: int
    """Index into the files of ``Segments``."""
    first: int
    """Row of the segment."""
    n_rows: int


@dataclass(frozen=True, kw_only=True)
class Segments:
    """What can be read of a log."""

    files: tuple[Path, ...]
    shifts: pa.Table
    """(file, due, phase, shift): sequence number = row of the file + shift. Others are cut off."""
    n_rows: int
    problems: tuple[str, ...]
    """One sentence for everything that is missing."""


def read_segments(folder: Path, *, n_shards: int, is_sealed: bool) -> Segments:
    """Finds and checks the segments of a run.

    Every page is read once and its checksum compared, because DuckDB does not.

    Args:
        folder: ``messages/`` of the run folder.
        n_shards: Shards of the run.
        is_sealed: Whether the run came to its end. If not, the shards were cut off at different
            instants, and the log is complete only up to the earliest of these.
    """
    files: list[Path] = []
    buckets: list[Bucket] = []
    ends = dict.fromkeys(range(n_shards), -1)
    expected: dict[int, int] = {}
    found, problems = list_segments(folder)
    for shard, number, path in found:
        problems += _gap(shard, expected.get(shard, 0), number)
        expected[shard] = number + 1
        try:
            new = _buckets(read_segment(path), shard=shard, file=len(files))
        except SwarmError as damaged:
            problems.append(
                f"{damaged}; it was left out, and sequence numbers after it are too low"
            )
            continue
        files.append(path)
        buckets += new
        if shard in ends:  # others wrote before the run was resumed on fewer shards
            ends[shard] = new[-1].key
    if not is_sealed:
        horizon = min(ends.values())
        buckets = [bucket for bucket in buckets if bucket.key <= horizon]
    return Segments(
        files=tuple(files),
        shifts=_shifts(buckets),
        n_rows=sum(bucket.n_rows for bucket in buckets),
        problems=tuple(problems),
    )


def _gap(shard: int, expected: int, number: int) -> list[str]:
    if number == expected:
        return []
    missing = f"{expected}" if number == expected + 1 else f"{expected} to {number - 1}"
    return [
        f"shard {shard} has no segment {missing}; sequence numbers after that place are too low"
    ]


def _buckets(rows: pa.Table, *, shard: int, file: int) -> list[Bucket]:
    keys = keys_of(rows)
    starts = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist()]
    ends = [*starts[1:], len(keys)]
    return [
        Bucket(int(keys[first]), shard, file, first, end - first)
        for first, end in zip(starts, ends, strict=True)
    ]


def _shifts(buckets: Sequence[Bucket]) -> pa.Table:
    """Lays the buckets one after the other: by instant and phase, then by shard."""
    rows: list[tuple[int, int, int, int]] = []
    n_before = 0
    for bucket in sorted(buckets):
        due, phase = divmod(bucket.key, PHASES)
        rows.append((bucket.file, due, phase, n_before - bucket.first))
        n_before += bucket.n_rows
    columns = np.array(rows, dtype=np.int64).reshape(len(rows), 4)
    return pa.table(dict(zip(("file", "due", "phase", "shift"), columns.T, strict=True)))

"""The journal: every answer from outside the simulation, on disk before it is delivered.

One line a record: eight hexadecimal digits of the CRC-32 of what follows, a space, one JSON
object, a newline. A crash can only cut the last line; a line that is cut or whose checksum does
not match ends what is read, and says where.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zlib import crc32

import msgspec

from swarm.errors import RunFailedError, WireError, boundary


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer. ``id`` and ``request`` are message ids; ``answer`` is the message itself."""

    id: int
    request: int
    due: int
    rank: int
    sort: Literal["run", "ask"]
    answer: msgspec.Raw


class JournalWriter:
    """Appends records; a group is durable when ``append`` returns.

    Args:
        path: The journal's file, created if it is not there.
        cut_at: Bytes of it that stay; by default all.
    """

    def __init__(self, path: Path, *, cut_at: int | None = None) -> None:
        self._path = path
        with boundary(RunFailedError, f"opening the journal {path}"):
            self._file = path.open("ab")
            if cut_at is not None:
                self._file.truncate(cut_at)
            self.n_bytes = self._file.seek(0, os.SEEK_END)

    def append(self, records: Iterable[Record]) -> None:
        """Writes records and waits until the disk has them."""
        lines = b"".join(_line(record) for record in records)
        if not lines:
            return
        with boundary(RunFailedError, f"writing the journal {self._path}"):
            self._file.write(lines)
            self._file.flush()
            os.fsync(self._file.fileno())
        self.n_bytes += len(lines)

    def close(self) -> None:
        """Closes the file; everything appended is already durable."""
        self._file.close()


@dataclass(frozen=True, kw_only=True)
class JournalText:
    """What can be read of a journal."""

    records: list[Record]
    """Up to the first line that is not whole."""
    n_bytes: int
    """Where these end."""
    problem: WireError | None
    """What is wrong there; None if all lines are whole."""
    behind: list[Record]
    """Records of whole lines behind that place. They can be trusted, each by its own checksum."""


def read_journal(path: Path) -> tuple[list[Record], WireError | None]:
    """Reads a journal up to its end or to the first line that is not whole.

    Returns:
        The records before that point, and what is wrong there, if anything.
    """
    text = read_journal_text(path)
    return text.records, text.problem


def read_journal_text(path: Path) -> JournalText:
    """Reads a journal, what stands behind damaged lines included.

    Raises:
        RunFailedError: If there is no such file, or the disk refuses.
    """
    with boundary(RunFailedError, f"reading the journal {path}"):
        data = path.read_bytes()
    return parse_journal(data, name=path)


def parse_journal(data: bytes, *, name: object) -> JournalText:
    """Reads the bytes of a journal; ``name`` is how the problem calls it."""
    records: list[Record] = []
    behind: list[Record] = []
    n_bytes, problem, at = 0, None, 0
    while at < len(data):
        end = data.find(b"\n", at)
        line = data[at : end if end >= 0 else len(data)]
        record, wrong = _record(line) if end >= 0 else (None, "the line is cut")
        if problem is None and record is None:
            problem = WireError(
                where=f"journal {name} at byte {at}",
                expected="a checksum and a record",
                came=f"{line!r:.80} ({wrong})",
            )
        if record is not None:
            (records if problem is None else behind).append(record)
        at += len(line) + 1
        n_bytes = at if problem is None else n_bytes
    return JournalText(records=records, n_bytes=n_bytes, problem=problem, behind=behind)


def _record(line: bytes) -> tuple[Record | None, str]:
    """Returns the record of a line, or None and why there is none."""
    body = line[9:]
    if line[:9] != b"%08x " % crc32(body):
        return None, "the checksum does not match"
    try:
        return msgspec.json.decode(body, type=Record), ""
    except (ValueError, RecursionError) as wrong:
        return None, str(wrong)


def _line(record: Record) -> bytes:
    body = msgspec.json.encode(record)
    return b"%08x %s\n" % (crc32(body), body)

"""The journal: every answer from outside the simulation, on disk before it is delivered.

One line a record: eight hexadecimal digits of the CRC-32 of what follows, a space, one JSON
object, a newline. A crash can only cut the last line; a line that is cut or whose checksum does
not match ends what is read, and says where.
"""

import os
from collections.abc import Iterable
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
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with boundary(RunFailedError, f"opening the journal {path}"):
            self._file = path.open("ab")

    def append(self, records: Iterable[Record]) -> None:
        """Writes records and waits until the disk has them."""
        lines = b"".join(_line(record) for record in records)
        if not lines:
            return
        with boundary(RunFailedError, f"writing the journal {self._path}"):
            self._file.write(lines)
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file; everything appended is already durable."""
        self._file.close()


def read_journal(path: Path) -> tuple[list[Record], WireError | None]:
    """Reads a journal up to its end or to the first line that is not whole.

    Returns:
        The records before that point, and what is wrong there, if anything.
    """
    with boundary(RunFailedError, f"reading the journal {path}"):
        data = path.read_bytes()
    records: list[Record] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        line = data[at : end if end >= 0 else len(data)]
        try:
            if end < 0 or int(line[:8], 16) != crc32(line[9:]):
                return records, _cut(path, at, "a line whose checksum matches", line)
            records.append(msgspec.json.decode(line[9:], type=Record))
        except (ValueError, msgspec.DecodeError) as wrong:
            return records, _cut(path, at, "a record", line, str(wrong))
        at = end + 1
    return records, None


def _line(record: Record) -> bytes:
    body = msgspec.json.encode(record)
    return b"%08x %s\n" % (crc32(body), body)


def _cut(path: Path, at: int, expected: str, line: bytes, wrong: str = "") -> WireError:
    came = f"{line!r:.80}" + (f" ({wrong})" if wrong else "")
    return WireError(where=f"journal {path} at byte {at}", expected=expected, came=came)

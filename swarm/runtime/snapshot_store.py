"""Snapshots on disk: written so that a folder of a final name is whole, read only if it is.

``snapshots/<window>/`` gets its name when everything in it is on the disk. The last two are kept:
the older one serves where the newer one is damaged.
"""

import os
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar, cast

import msgspec
import pyarrow as pa

from swarm.errors import RunFailedError, WireError, boundary
from swarm.runtime.snapshots import Chunk, Head

FOLDER = "snapshots"
HEAD = "head"
FORKED = "fork"
"""The snapshot at which a fork begins; it stays for good."""
KEEP = 2
"""Snapshots that stay."""

_MAGIC = b"swarm snapshot 1\n"
_SUM_BYTES = 32
_SIZE_BYTES = 8

StructT = TypeVar("StructT", bound=msgspec.Struct)


def chunk_name(shard: int) -> str:
    """Returns the file name of a shard's chunk."""
    return f"shard-{shard:04d}"


def write_file(path: Path, content: msgspec.Struct) -> tuple[str, int]:
    """Writes one file of a snapshot and waits until the disk has it.

    Returns:
        SHA-256 of the file, and its bytes.

    Raises:
        RunFailedError: If the disk refuses.
    """
    plain = msgspec.msgpack.encode(content)
    body = cast("bytes", pa.compress(plain, codec="zstd", asbytes=True))
    size = len(plain).to_bytes(_SIZE_BYTES, "little")
    data = b"".join((_MAGIC, sha256(size + body).digest(), size, body))
    with boundary(RunFailedError, f"writing the snapshot {path}"), path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return sha256(data).hexdigest(), len(data)


def read_file(path: Path, kind: type[StructT]) -> StructT:
    """Reads one file of a snapshot.

    Raises:
        WireError: If it is not whole, or holds something else.
    """
    try:
        data = path.read_bytes()
    except OSError as wrong:
        raise WireError(where=f"snapshot {path}", expected="a file", came=str(wrong)) from wrong
    start = len(_MAGIC) + _SUM_BYTES
    if data[: len(_MAGIC)] != _MAGIC or sha256(data[start:]).digest() != data[len(_MAGIC) : start]:
        raise WireError(
            where=f"snapshot {path}",
            expected="a file whose checksum matches",
            came=f"{len(data)} bytes that do not",
        )
    size = int.from_bytes(data[start : start + _SIZE_BYTES], "little")
    body = data[start + _SIZE_BYTES :]
    try:
        plain = pa.decompress(body, decompressed_size=size, codec="zstd", asbytes=True)
        return msgspec.msgpack.decode(plain, type=kind)
    except (msgspec.DecodeError, OSError, ValueError) as wrong:
        raise WireError(
            where=f"snapshot {path}", expected=f"a {kind.__name__}", came=str(wrong)
        ) from wrong


def read_chunks(folder: Path, head: Head, ranks: range) -> Iterable[Chunk]:
    """Reads the chunks that hold some of the ranks.

    Raises:
        WireError: If one of them is damaged.
    """
    for note in head.chunks:
        if note.first < ranks.stop and ranks.start < note.stop:
            yield read_file(folder / note.name, Chunk)


def begin(run: Path, windows: int) -> Path:
    """Makes the folder into which shards write their chunks; it has no final name yet."""
    partial = run / FOLDER / f".{windows:010d}"
    with boundary(RunFailedError, f"writing a snapshot into {run / FOLDER}"):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    return partial


def complete(partial: Path, head: Head) -> Path:
    """Writes the head, gives the folder its name, and removes the snapshots before the last two."""
    write_file(partial / HEAD, head)
    folder = partial.parent
    final = folder / partial.name.removeprefix(".")
    with boundary(RunFailedError, f"writing the snapshot {final}"):
        _sync(partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        _sync(folder)
        for old in stored(folder.parent)[KEEP:]:
            if old.name != FORKED:
                shutil.rmtree(old)
    return final


def stored(run: Path) -> list[Path]:
    """Returns the folders of all snapshots that got their name, the newest first."""
    folder = run / FOLDER
    if not folder.is_dir():
        return []
    numbered = sorted((p for p in folder.iterdir() if p.name.isdecimal()), reverse=True)
    return [*numbered, *folder.glob(FORKED)]


def sizes(folder: Path, pattern: str) -> dict[str, int]:
    """Returns the bytes of files by name, ascending by name; empty if there is no folder."""
    return {path.name: path.stat().st_size for path in sorted(folder.glob(pattern))}


def problem_of(snapshot: Path) -> str:
    """Says why a run cannot go on from a snapshot; empty if it can.

    Every file of the snapshot is read; of the log and the notebooks, only their sizes are compared.
    """
    run = snapshot.parent.parent
    try:
        head = read_file(snapshot / HEAD, Head)
        for note in head.chunks:
            found = sha256((snapshot / note.name).read_bytes()).hexdigest()
            if found != note.sha256:
                return f"its chunk {note.name} is damaged"
    except (WireError, OSError) as damaged:
        return str(damaged)
    segments = sizes(run / "messages", "*.parquet")
    if lost := [name for name, n in head.segments.items() if segments.get(name) != n]:
        return f"log segment {lost[0]} is missing or not as long as it was"
    notes = sizes(run / "notes", "*.md")
    if lost := [name for name, n in head.notes.items() if notes.get(name, 0) < n]:
        return f"notebook {lost[0]} is missing or shorter than it was"
    return ""


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

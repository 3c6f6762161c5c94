"""A fork: the same run up to a barrier, and something else from there on.

The prefix is the parent's snapshot where there is one that is old enough, and computed again
with the answers of the parent's journal where there is none; no job is run for it. At the barrier a
snapshot is taken, of which every attempt at the fork begins. What differs is the configuration that
roles, minds and jobs find there, while states, streams and what is under way stay the same: the
comparison with the parent is paired.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from swarm.comms.journal import JournalWriter
from swarm.errors import RunFailedError, UsageError, boundary
from swarm.kernel.message import COUNTER_BITS
from swarm.pipeline.workbench import Workbench
from swarm.runtime.batches import decode_batch, encode_batch
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.cadence import SnapshotTaker
from swarm.runtime.coordinator import Coordinator
from swarm.runtime.desk import Desk
from swarm.runtime.folder_lock import FolderLock
from swarm.runtime.inline import InlineHost
from swarm.runtime.jobs import Done, Task
from swarm.runtime.launch import carry_out, expect_shards, host_of
from swarm.runtime.options import Finish, Options, Outcome
from swarm.runtime.resume import Start, expect_same, find_start
from swarm.runtime.run_folder import RunFolder, read_manifest
from swarm.runtime.snapshot_store import (
    FOLDER,
    FORKED,
    HEAD,
    problem_of,
    read_file,
    stored,
    write_file,
)
from swarm.runtime.snapshots import Cadence, Chunk, DeskFrame, Head, Spent


@dataclass(frozen=True, kw_only=True)
class Change:
    """What becomes different, and where."""

    at: int
    """The windows before the one that this instant falls into stay as they were."""
    settings: Mapping[str, object]
    """Config keys and their new values, for the manifest."""
    dropped: int | None = None
    """Id of a message that is on its way at the barrier, and never arrives."""


def fork(
    parent: Path,
    change: Change,
    *,
    before: Blueprint,
    after: Blueprint,
    options: Options,
    finish: Finish | None = None,
) -> Outcome:
    """Runs a fork to its end.

    Args:
        parent: The run folder that it begins with; it stays as it is.
        change: What becomes different, and where.
        before: What the parent's manifest was made into.
        after: The same with the change.
        options: Where and how to run; ``out`` is the fork's folder.
        finish: As for ``launch``.

    Raises:
        UsageError: If the parent does not reach that far, cannot be computed again here, or is in
            use; if the message is not on its way there; if the options cannot be met.
    """
    expect_shards(after, options)
    expect_same(parent, before)
    if before.roster != after.roster or before.seed != after.seed:
        raise UsageError(what="a fork has the actors and the seed of its parent")
    with FolderLock(parent):
        folder = RunFolder.create(after, out=options.out, host=host_of(options))
        try:
            start = _prefix(parent, folder, change, before)
        except BaseException:
            shutil.rmtree(folder.path)  # nothing has begun; the name is free again
            raise
    with FolderLock(folder.path):
        return carry_out(after, options, finish, folder=folder, start=start)


def _prefix(parent: Path, folder: RunFolder, change: Change, before: Blueprint) -> Start:
    """Makes the fork's folder what the parent's was at the barrier; returns where it goes on."""
    path = folder.path
    known = find_start(parent)
    snapshot = _last_before(parent, change.at)
    head = None if snapshot is None else read_file(snapshot / HEAD, Head)
    _share(parent, path, snapshot, head)
    cut_at = 0 if head is None else head.journal_bytes
    (path / "journal").write_bytes((parent / "journal").read_bytes()[:cut_at])
    begun = find_start(path)
    barrier = _play(path, change, before, replace(begun, recorded=known.recorded))
    snapshot = _mark(path, barrier)
    if change.dropped is not None:
        _drop(snapshot, change.dropped)
    start = find_start(path)
    assert start.head is not None
    folder.manifest["parent"] = {
        "run": parent.name,
        "path": str(parent.absolute()),
        "at": change.at,
        "barrier": start.head.end,
        "window": start.head.windows,
        "set": dict(change.settings),
        "config": dict(before.config),
        "parent": read_manifest(parent).get("parent"),
        **({"dropped": change.dropped} if change.dropped is not None else {}),
    }
    folder.save()
    under_way = {order.answer for order in start.head.pending}
    recorded = {id_: known.recorded[id_] for id_ in under_way & known.recorded.keys()}
    return replace(start, recorded={**start.recorded, **recorded}, spent=Spent())


class _NoBackend:
    """For a prefix: everything that was ordered in it has been answered, or it is none."""

    def submit(self, key: str, task: Task) -> None:
        """Lets it lie: it may not be due before the barrier."""

    def result(self, key: str) -> Done:  # noqa: ARG002
        """Says that the parent did not come so far."""
        raise UsageError(
            what="the parent's journal ends before that place: it holds no answer to something that"
            " is due there; fork earlier, or bring the parent to its end with resume"
        )

    def running(self) -> int:
        """Nothing ever runs."""
        return 0

    def close(self) -> float:
        """There is nothing to end."""
        return 0.0


def _play(path: Path, change: Change, before: Blueprint, start: Start) -> Path:
    """Brings the prefix from a snapshot, or the beginning, to the barrier; returns its snapshot."""
    host = InlineHost(before, folder=path, start=start.snapshot)
    journal = JournalWriter(path / "journal", cut_at=start.journal_bytes)
    desk = Desk(
        before,
        bench=Workbench(corpus_dir=path, artifacts_dir=path / "artifacts"),
        backend=_NoBackend(),
        recorded=start.recorded,
        start=DeskFrame() if start.head is None else start.head.desk,
    )
    coordinator = Coordinator(
        before, host=host, desk=desk, journal=journal, start=start.head, recorded=start.in_file
    )
    try:
        is_at_rest = coordinator.run(stop_at=change.at)
        progress = coordinator.progress
        if is_at_rest or (before.until is not None and change.at > before.until):
            raise UsageError(
                what=f"the parent ended at tick {progress.now:,} of virtual time, before tick"
                f" {change.at:,}; fork earlier"
            )
        taker = SnapshotTaker(path, host, Cadence(), spent=Spent)
        return taker.take(coordinator)
    finally:
        journal.close()
        host.close()


def _last_before(parent: Path, at: int) -> Path | None:
    """Returns the newest whole snapshot of which nothing lies behind an instant."""
    for snapshot in stored(parent):
        if not problem_of(snapshot) and read_file(snapshot / HEAD, Head).end <= at:
            return snapshot
    return None


def _share(parent: Path, path: Path, snapshot: Path | None, head: Head | None) -> None:
    """Takes over what the parent had at a snapshot, and all results of its jobs."""
    with boundary(RunFailedError, f"taking {parent} over into {path}"):
        artifacts = parent / "artifacts"
        for file in sorted(artifacts.rglob("*")) if artifacts.is_dir() else ():
            if file.is_file() and not file.name.startswith("."):
                _link(file, path / "artifacts" / file.relative_to(artifacts))
        if snapshot is None or head is None:
            return
        for name in head.segments:
            _link(parent / "messages" / name, path / "messages" / name)
        for name, n_bytes in head.notes.items():
            data = (parent / "notes" / name).read_bytes()[:n_bytes]
            (path / "notes" / name).write_bytes(data)
        shutil.copytree(snapshot, path / FOLDER / snapshot.name)


def _link(file: Path, to: Path) -> None:
    """Shares a file that never changes, or copies it where file systems differ."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, to)
    except OSError:
        shutil.copy2(file, to)


def _mark(path: Path, barrier: Path) -> Path:
    """Keeps the snapshot of the barrier for good, under its own name, and removes all others."""
    kept = path / FOLDER / FORKED
    barrier.rename(kept)
    for other in stored(path):
        if other != kept:
            shutil.rmtree(other)
    return kept


def _drop(snapshot: Path, message: int) -> None:
    """Takes one envelope out of a snapshot."""
    head = read_file(snapshot / HEAD, Head)
    chunks = []
    n_dropped = 0
    for note in head.chunks:
        chunk = read_file(snapshot / note.name, Chunk)
        flight = decode_batch(chunk.in_flight)
        left = [
            (key, some)
            for key, envelopes in flight
            if (some := [one for one in envelopes if one[1] != message])
        ]
        n_dropped += sum(len(some) for _, some in flight) - sum(len(some) for _, some in left)
        changed = msgspec.structs.replace(chunk, in_flight=encode_batch(left))
        sum_, n_bytes = write_file(snapshot / note.name, changed)
        chunks.append(msgspec.structs.replace(note, sha256=sum_, n_bytes=n_bytes))
    if not n_dropped:
        counter = message & ((1 << COUNTER_BITS) - 1)
        raise UsageError(
            what=f"message {counter} of rank {message >> COUNTER_BITS} is not on its way at the"
            " barrier before that place; name its own sequence number with --at"
        )
    write_file(snapshot / HEAD, msgspec.structs.replace(head, chunks=chunks))

"""Where a run can go on: the last snapshot that is whole, and what the journal knows beyond it.

Before anything runs again the folder is cut back to that point, so that it never holds a message
twice. Answers that are in the journal are reused; a damaged line is named, and what stands behind
it is reused all the same, because an answer is found by its id.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import msgspec

from swarm.comms.journal import Record, read_journal
from swarm.errors import RunFailedError, UsageError, boundary
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.run_folder import read_manifest
from swarm.runtime.snapshot_store import FOLDER, FORKED, HEAD, problem_of, read_file, stored
from swarm.runtime.snapshots import Head, Spent
from swarm.runtime.versions import versions

_MATTERS = ("code", "python", "torch", "numpy", "msgspec", "cpu", "platform")
"""Versions on which digests depend, where a run has jobs that compute with them."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a run begins or goes on."""

    snapshot: Path | None = None
    """Its folder; None for the beginning."""
    head: Head | None = None
    recorded: dict[int, bytes] = field(default_factory=dict)
    """Answers that need not be computed again, by message id."""
    in_file: frozenset[int] = frozenset()
    """Those of them that stay in the journal's file."""
    journal_bytes: int = 0
    """Bytes of the journal that are whole."""
    problems: tuple[str, ...] = ()
    """One sentence for everything that was found damaged."""
    spent: Spent = field(default_factory=Spent)
    """What earlier attempts have cost."""

    @property
    def place(self) -> str:
        """Says where, for people."""
        if self.head is None:
            return "the beginning"
        return f"the snapshot after window {self.head.windows:,}"


def find_start(run: Path) -> Start:
    """Looks for the place from which a run can go on; changes nothing.

    Raises:
        RunFailedError: If the journal cannot be read at all, or no snapshot of a fork is whole.
    """
    problems: list[str] = []
    recorded, in_file, whole_bytes = _read_journal(run / "journal", problems)
    for snapshot in stored(run):
        problem = problem_of(snapshot)
        if not problem:
            head = read_file(snapshot / HEAD, Head)
            if head.journal_bytes <= whole_bytes:
                break
            problem = "the journal is not whole up to there"
        problems.append(f"snapshot {snapshot.name} is not used: {problem}")
    else:
        snapshot, head = None, None
        if (run / FOLDER / FORKED).exists():
            raise RunFailedError(
                what=f"{run} is a fork and cannot go on from its beginning: {'; '.join(problems)};"
                " fork its parent again"
            )
    return Start(
        snapshot=snapshot,
        head=head,
        recorded=recorded,
        in_file=in_file,
        journal_bytes=whole_bytes,
        problems=tuple(problems),
        spent=Spent() if head is None else head.spent,
    )


def cut_back(run: Path, start: Start) -> None:
    """Removes from a run folder what lies behind a starting point.

    Raises:
        RunFailedError: If the disk refuses.
    """
    segments = {} if start.head is None else start.head.segments
    notes = {} if start.head is None else start.head.notes
    known = stored(run)  # the newest first
    behind = known if start.snapshot is None else known[: known.index(start.snapshot)]
    with boundary(RunFailedError, f"cutting {run} back to {start.place}"):
        for path in (run / "messages").glob("*"):
            if path.name not in segments:
                path.unlink()
        for path in (run / "notes").glob("*.md"):
            if path.name not in notes:
                path.unlink()
            elif path.stat().st_size > notes[path.name]:
                with path.open("rb+") as file:
                    file.truncate(notes[path.name])
        for path in (run / FOLDER).glob("*"):
            if path in behind:
                shutil.rmtree(path)
        for path in (run / FOLDER).glob(".*"):
            if path.is_dir():
                shutil.rmtree(path)
        for pattern in ("artifacts/.artifact-*", "artifacts/results/.*"):
            for path in run.glob(pattern):
                path.unlink()


def expect_same(run: Path, blueprint: Blueprint) -> None:
    """Checks that a run would go on as what it began as.

    Args:
        run: The run folder.
        blueprint: What its manifest was made into, here and now.

    Raises:
        UsageError: If code, libraries, processor, corpus or config differ, each by name.
    """
    manifest = read_manifest(run)
    then, now = manifest.get("versions", {}), versions()
    changed = [
        f"{name} was {_short(then.get(name))} and is {_short(now.get(name))}"
        for name in _MATTERS
        if then.get(name) != now.get(name)
    ]
    was, is_ = manifest.get("config", {}), msgspec.to_builtins(dict(blueprint.config))
    changed += [
        f"config key {key} was {was.get(key)!r:.60} and is {is_.get(key)!r:.60}"
        for key in sorted(was.keys() | is_.keys())
        if was.get(key) != is_.get(key)
    ]
    if changed:
        raise UsageError(
            what=f"{run} cannot go on to the same end: {'; '.join(changed)}. Go back to what it"
            " began with, or run it anew with --seed and --set as its manifest has them"
        )


def _read_journal(path: Path, problems: list[str]) -> tuple[dict[int, bytes], frozenset[int], int]:
    """Returns the answers, the ids of those before the first damaged line, and where that is."""
    if not path.exists():
        return {}, frozenset(), 0
    records, wrong = read_journal(path)
    recorded = {one.id: bytes(one.answer) for one in records}
    in_file = frozenset(recorded)
    data = path.read_bytes()
    if wrong is None:
        return recorded, in_file, len(data)
    n_whole = _nth_line(data, len(records))
    behind = _salvage(data[n_whole:])
    recorded |= {one.id: bytes(one.answer) for one in behind}
    problems.append(f"{wrong}; {len(behind)} answers behind it are whole and were kept")
    return recorded, in_file, n_whole


def _nth_line(data: bytes, n: int) -> int:
    """Returns where the line of that number begins."""
    at = 0
    for _ in range(n):
        at = data.index(b"\n", at) + 1
    return at


def _salvage(data: bytes) -> list[Record]:
    """Returns the records of the whole lines; others are passed over."""
    found = []
    for line in data.split(b"\n")[:-1]:
        try:
            if int(line[:8], 16) == crc32(line[9:]):
                found.append(msgspec.json.decode(line[9:], type=Record))
        except (ValueError, msgspec.DecodeError):
            continue
    return found


def _short(version: object) -> str:
    text = str(version)
    return text[:12] if len(text) == 64 else text

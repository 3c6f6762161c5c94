"""One attempt at a run: from a starting point to the end, whatever that end is.

An attempt writes everything in the run folder but the manifest, which belongs to whoever started
it. Shards that are lost are all rolled back to the last snapshot while workers go on.
"""

import os
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from swarm.comms.digest import combine
from swarm.comms.journal import JournalWriter
from swarm.errors import LostError, RunFailedError, SwarmError
from swarm.memory.teams import write_team_notes
from swarm.pipeline.workbench import Workbench
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.cadence import SnapshotTaker
from swarm.runtime.console import Console
from swarm.runtime.coordinator import Coordinator, Progress, ShardHost
from swarm.runtime.cpu_time import descendants, process_seconds
from swarm.runtime.desk import Backend, Desk, DeskCounts
from swarm.runtime.inbox import PeopleBackend
from swarm.runtime.options import Finish, Options, Result
from swarm.runtime.results import results_store
from swarm.runtime.resume import Start, cut_back, find_start
from swarm.runtime.run_folder import Status
from swarm.runtime.shard import Closing, add_counts
from swarm.runtime.snapshots import DeskFrame, Spent
from swarm.runtime.versions import versions

MAX_ROLLBACKS = 5
"""Losses in a row without a window further than before."""


class Runtime(Protocol):
    """What starts hosts and workers, and takes them down again."""

    def start(
        self, blueprint: Blueprint, folder: Path, bench: Workbench, start: Path | None
    ) -> tuple[ShardHost, Backend]:
        """Starts everything, the shards from a snapshot if one is given."""

    def drop(self) -> None:
        """Ends all shards, when one of them is lost; they are gone when this returns."""

    def rehost(self, start: Path | None) -> ShardHost:
        """Starts all shards anew, after ``drop``."""

    def stop(self) -> float:
        """Takes everything down; returns CPU-seconds of its own (daemons), if it knows."""


class Attempt:
    """Runs a blueprint in a run folder.

    Args:
        blueprint: What runs.
        options: Where and how.
        folder: The run folder.
        start: Where it begins; the folder has been cut back to there.
        on_window: Called after every window.
        on_incident: Called with one sentence for everything that was lost and replaced.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        options: Options,
        folder: Path,
        *,
        start: Start,
        on_window: Callable[[Progress], None] = lambda _: None,
        on_incident: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._blueprint, self._options, self._folder = blueprint, options, folder
        self._start = start
        self._on_window, self._on_incident = on_window, on_incident
        self._began, self._cpu_began = time.monotonic(), time.process_time()
        self._before = start.spent
        self._bench = Workbench(
            corpus_dir=options.corpus_dir.absolute(),
            artifacts_dir=((options.cache_dir or folder) / "artifacts").absolute(),
            salt=repr(versions()),
        )
        self._console = Console(blueprint, is_live=options.is_live)
        self._progress = Progress()
        self._closings: list[Closing] = []
        self._facts: dict[str, object] = {}
        self._desk: Desk | None = None
        self._host: ShardHost | None = None
        self._taker: SnapshotTaker | None = None
        self._taken = (self._before.snapshots, self._before.cpu_seconds_in_snapshots)
        self._other_cpu = 0.0
        self._in_windows = 0.0

    def go(self, runtime: Runtime, finish: Finish | None) -> tuple[Status, SwarmError | None]:
        """Runs, and takes everything down whatever happens."""
        status: Status = "ok"
        error: SwarmError | None = None
        journal = None
        try:
            journal = JournalWriter(self._folder / "journal", cut_at=self._start.journal_bytes)
            self._run(runtime, journal, finish)
        except KeyboardInterrupt:
            status = "interrupted"
        except SwarmError as wrong:
            status, error = "failed", wrong
        except Exception as bug:  # noqa: BLE001  whatever it is, the log is kept and the folder says so
            status, error = "failed", self._blame(bug)
        finally:
            status, error = self._take_down(runtime, journal, status, error)
            self._console.close()
        if status == "ok" and not any(self._active().values()):
            status, error = "failed", RunFailedError(what="no actor ever did anything")
        return status, error

    def _run(self, runtime: Runtime, journal: JournalWriter, finish: Finish | None) -> None:
        self._host, backend = runtime.start(
            self._blueprint, self._folder, self._bench, self._start.snapshot
        )
        cache = self._options.cache_dir
        desk = self._desk = Desk(
            self._blueprint,
            bench=self._bench,
            backend=PeopleBackend(
                backend,
                self._folder,
                deadline=self._blueprint.person_deadline,
                tell=self._console.say,
            ),
            cache_dir=cache / "results" if cache else None,
            store=results_store(self._folder),
            recorded=self._start.recorded,
            start=DeskFrame() if self._start.head is None else self._start.head.desk,
        )
        is_at_rest = self._all_windows(runtime, desk, journal)
        if finish is not None:
            result = Result(
                path=self._folder,
                bench=self._bench,
                virtual_seconds=self._progress.now,
                is_at_rest=is_at_rest,
                watched=tuple(self._progress.watched),
            )
            self._facts = dict(finish(result, desk.perform))

    def _all_windows(self, runtime: Runtime, desk: Desk, journal: JournalWriter) -> bool:
        """Runs until rest or the horizon, however often shards must be replaced meanwhile."""
        furthest, n_losses = -1, 0
        while True:
            began = time.monotonic()
            try:
                return self._windows(desk, journal)
            except LostError as lost:
                n_losses = 1 if self._progress.end > furthest else n_losses + 1
                furthest = max(furthest, self._progress.end)
                if n_losses > MAX_ROLLBACKS:
                    raise
                self._roll_back(runtime, desk, lost)
            finally:
                self._in_windows += time.monotonic() - began

    def _windows(self, desk: Desk, journal: JournalWriter) -> bool:
        assert self._host is not None
        taker = self._taker = SnapshotTaker(
            self._folder, self._host, self._options.cadence, spent=self._spent
        )
        coordinator = Coordinator(
            self._blueprint,
            host=self._host,
            desk=desk,
            journal=journal,
            on_window=lambda progress: self._show(progress, desk),
            at_barrier=taker.at_barrier,
            start=self._start.head,
            recorded=self._start.in_file,
        )
        self._progress = coordinator.progress
        return coordinator.run()

    def _roll_back(self, runtime: Runtime, desk: Desk, lost: LostError) -> None:
        """Brings all shards back to the last snapshot, on whatever is left."""
        self._host = None
        self._count_snapshots()
        runtime.drop()  # nobody else writes into the folder while it is cut
        start = self._start = find_start(self._folder)
        self._on_incident(
            ". ".join((f"{lost}; all shards go back to {start.place}", *start.problems))
        )
        cut_back(self._folder, start)
        self._host = runtime.rehost(start.snapshot)
        desk.go_back(start.recorded, DeskFrame() if start.head is None else start.head.desk)

    def _show(self, progress: Progress, desk: Desk) -> None:
        self._console.update(progress, desk)
        self._on_window(progress)

    def _blame(self, bug: Exception) -> SwarmError:
        """Turns an error that is not ours into one sentence; its traceback stays in the folder."""
        path = self._folder / "traceback.txt"
        with suppress(OSError):  # a full disk must not hide what went wrong
            path.write_text("".join(traceback.format_exception(bug)))
        error = RunFailedError(
            what=f"a bug: {type(bug).__name__}: {bug}; the traceback is in {path}"
        )
        for note in getattr(bug, "__notes__", []):
            error.add_note(note)
        return error

    def _take_down(
        self,
        runtime: Runtime,
        journal: JournalWriter | None,
        status: Status,
        error: SwarmError | None,
    ) -> tuple[Status, SwarmError | None]:
        try:
            if self._host is not None:
                self._closings = self._host.close()
                write_team_notes(self._folder / "notes")
            if self._desk is not None:
                self._other_cpu += self._desk.close()
        except SwarmError as wrong:
            # The first thing that went wrong is what the user must hear of.
            status, error = "failed", error or wrong
        finally:
            if journal is not None:
                journal.close()
            self._other_cpu += runtime.stop()
        return status, error

    def _spent(self) -> Spent:
        """Says what the run has cost so far, other machines apart."""
        cpu = time.process_time() - self._cpu_began
        if self._options.runtime != "inline":
            cpu += sum(process_seconds(pid) for pid in descendants([os.getpid()]) - {os.getpid()})
        counts = None if self._desk is None else self._desk.counts
        n_taken, in_snapshots = self._snapshots()
        return Spent(
            wall_seconds=self._before.wall_seconds + time.monotonic() - self._began,
            cpu_seconds=self._before.cpu_seconds + cpu,
            cpu_seconds_in_jobs=counts.cpu_seconds_in_jobs if counts else 0.0,
            snapshots=n_taken,
            cpu_seconds_in_snapshots=in_snapshots,
        )

    def _snapshots(self) -> tuple[int, float]:
        """Returns how many snapshots were taken, over all attempts, and their CPU-seconds."""
        n, seconds = self._taken
        if self._taker is None:
            return n, seconds
        return n + self._taker.taken, seconds + self._taker.cpu_seconds

    def _count_snapshots(self) -> None:
        self._taken, self._taker = self._snapshots(), None

    def summary(self, status: Status) -> dict[str, Any]:  # Any: JSON
        """Returns the object that ``--json`` prints; costs are those of all attempts."""
        counts = self._desk.counts if self._desk else DeskCounts()
        own = time.process_time() - self._cpu_began
        inline = self._options.runtime == "inline"
        shards_cpu = 0.0 if inline else sum(c.cpu_seconds for c in self._closings)
        kinds = add_counts([closing.kinds for closing in self._closings])
        before, (n_snapshots, in_snapshots) = self._before, self._snapshots()
        wall = before.wall_seconds + time.monotonic() - self._began
        return {
            "run": str(self._folder),
            "status": status,
            "digest_control": combine([d for c in self._closings for d in c.control]),
            "digest_payload": combine([d for c in self._closings for d in c.payload]),
            "actors": sum(count for _, count in self._blueprint.roster),
            "shards": self._options.shards,
            "messages": sum(kinds.values()),
            "windows": self._progress.windows,
            "virtual_seconds": self._progress.now,
            "wall_seconds": round(wall, 3),
            "first_window_seconds": round(self._console.first_window_after or 0.0, 3),
            "wall_seconds_in_windows": round(self._in_windows, 3),
            "cpu_seconds": round(before.cpu_seconds + own + shards_cpu + self._other_cpu, 3),
            "cpu_seconds_in_jobs": round(counts.cpu_seconds_in_jobs, 3),
            "jobs": counts.jobs,
            "jobs_cached": counts.jobs_cached,
            "snapshots": n_snapshots,
            "cpu_seconds_in_snapshots": round(in_snapshots, 3),
            "swaps": kinds.get("ship.swapped", 0),
            "rollbacks": kinds.get("ship.rolled_back", 0),
            "parts_left_of_original": None,
            "active": self._active(),
            "kinds": kinds,
            "log_bytes": sum(closing.log_bytes for closing in self._closings),
            **self._facts,
        }

    def _active(self) -> dict[str, int]:
        return add_counts([closing.active for closing in self._closings])

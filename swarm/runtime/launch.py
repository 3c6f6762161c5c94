"""Launches a blueprint on a host, keeps the run folder honest, and sums the run up."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from swarm.comms.digest import MAX_CELLS, combine
from swarm.comms.journal import JournalWriter
from swarm.errors import RunFailedError, SwarmError, UsageError
from swarm.kernel.message import Message
from swarm.pipeline.workbench import Workbench
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.console import Console
from swarm.runtime.coordinator import Coordinator, Progress, ShardHost
from swarm.runtime.desk import Backend, Desk, InlineBackend
from swarm.runtime.inline import InlineHost
from swarm.runtime.run_folder import RunFolder, Status
from swarm.runtime.shard import Closing, add_counts

Perform = Callable[[Sequence[Message]], list[Message]]
"""Carries out jobs side by side and returns their results, in order."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a scenario may look at after its run has come to rest."""

    path: Path
    bench: Workbench
    virtual_seconds: int
    is_at_rest: bool
    """Whether nothing was due any more; False if ``until`` cut the run off."""
    watched: tuple[tuple[int, Message], ...]
    """(due, message) of the kinds that the blueprint watches, in order of time."""


Finish = Callable[[Result, Perform], Mapping[str, object]]
"""What a scenario does after the run has come to rest (audits, for example), as facts."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where and how to run; nothing here changes what happens."""

    runtime: Literal["inline", "ray"] = "inline"
    shards: int = 1
    address: str | None = None
    workers: int | None = None
    """Processes for jobs under ``ray``; by default one per core."""
    out: Path | None = None
    corpus_dir: Path = Path(".cache/corpus")
    cache_dir: Path | None = None
    """Keeps results of jobs for later runs."""
    shuffle: int | None = None
    is_live: bool = True
    """Whether progress is shown on standard error."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    path: Path
    status: Status
    summary: dict[str, Any] = field(default_factory=dict)  # Any: JSON
    error: SwarmError | None = None


class Runtime(Protocol):
    """What starts hosts and workers, and takes them down again."""

    def start(
        self, blueprint: Blueprint, folder: RunFolder, bench: Workbench
    ) -> tuple[ShardHost, Backend]:
        """Starts everything."""

    def stop(self) -> float:
        """Takes everything down; returns CPU-seconds of its own (daemons), if it knows."""


class InlineRuntime:
    """Everything in this process."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def start(
        self, blueprint: Blueprint, folder: RunFolder, bench: Workbench
    ) -> tuple[ShardHost, Backend]:
        """Builds the shards here."""
        host = InlineHost(
            blueprint,
            folder=folder.path,
            n_shards=self._options.shards,
            shuffle=self._options.shuffle,
        )
        return host, InlineBackend(bench)

    def stop(self) -> float:
        """There is nothing to take down."""
        return 0.0


def launch(blueprint: Blueprint, options: Options, finish: Finish | None = None) -> Outcome:
    """Runs a lab to its end and leaves a run folder.

    Raises:
        UsageError: If the options cannot be met; nothing has been run then.
    """
    n_actors = sum(count for _, count in blueprint.roster)
    most = min(n_actors, MAX_CELLS)
    if not 1 <= options.shards <= most:
        raise UsageError(
            what=f"{n_actors} actors can be cut into 1 to {most} shards, came {options.shards}"
        )
    runtime = _runtime(options)
    folder = RunFolder.create(
        blueprint, out=options.out, host={"runtime": options.runtime, "shards": options.shards}
    )
    bench = Workbench(
        corpus_dir=options.corpus_dir.absolute(),
        artifacts_dir=((options.cache_dir or folder.path) / "artifacts").absolute(),
    )
    console = Console(blueprint, is_live=options.is_live)
    began, cpu_began = time.monotonic(), time.process_time()
    run = _Run(blueprint, options, folder, bench, console)
    status, error = run.go(runtime, finish)
    own = time.process_time() - cpu_began
    summary = run.summary(status, wall=time.monotonic() - began, own_cpu=own)
    folder.finish(status, {"summary": summary, **({"error": str(error)} if error else {})})
    console.close()
    return Outcome(path=folder.path, status=status, summary=summary, error=error)


def _runtime(options: Options) -> Runtime:
    if options.runtime == "inline":
        return InlineRuntime(options)
    from swarm.runtime.ray_runtime import RayRuntime  # noqa: PLC0415  inline runs need no Ray

    return RayRuntime(options)


class _Run:
    """One launch, from start to summary."""

    def __init__(
        self,
        blueprint: Blueprint,
        options: Options,
        folder: RunFolder,
        bench: Workbench,
        console: Console,
    ) -> None:
        self._blueprint, self._options = blueprint, options
        self._folder, self._bench, self._console = folder, bench, console
        self._progress = Progress()
        self._closings: list[Closing] = []
        self._facts: dict[str, object] = {}
        self._desk: Desk | None = None
        self._host: ShardHost | None = None
        self._other_cpu = 0.0
        self._in_windows = 0.0

    def go(self, runtime: Runtime, finish: Finish | None) -> tuple[Status, SwarmError | None]:
        """Runs, and takes everything down whatever happens."""
        status: Status = "ok"
        error: SwarmError | None = None
        journal = None
        try:
            journal = JournalWriter(self._folder.path / "journal")
            self._run(runtime, journal, finish)
        except KeyboardInterrupt:
            status = "interrupted"
        except SwarmError as wrong:
            status, error = "failed", wrong
        except Exception as bug:  # noqa: BLE001  whatever it is, the log is kept and the folder says so
            status, error = "failed", self._blame(bug)
        finally:
            status, error = self._take_down(runtime, journal, status, error)
        if status == "ok" and not any(self._active().values()):
            status, error = "failed", RunFailedError(what="no actor ever did anything")
        return status, error

    def _run(self, runtime: Runtime, journal: JournalWriter, finish: Finish | None) -> None:
        self._host, backend = runtime.start(self._blueprint, self._folder, self._bench)
        cache = self._options.cache_dir
        self._desk = Desk(
            self._blueprint,
            bench=self._bench,
            backend=backend,
            cache_dir=cache / "results" if cache else None,
        )
        desk = self._desk
        coordinator = Coordinator(
            self._blueprint,
            host=self._host,
            desk=desk,
            journal=journal,
            on_window=lambda progress: self._console.update(progress, desk),
        )
        self._progress = coordinator.progress
        began = time.monotonic()
        try:
            is_at_rest = coordinator.run()
        finally:
            self._in_windows = time.monotonic() - began
        if finish is not None:
            result = Result(
                path=self._folder.path,
                bench=self._bench,
                virtual_seconds=self._progress.now,
                is_at_rest=is_at_rest,
                watched=tuple(self._progress.watched),
            )
            self._facts = dict(finish(result, desk.perform))

    def _blame(self, bug: Exception) -> SwarmError:
        """Turns an error that is not ours into one sentence; its traceback stays in the folder."""
        path = self._folder.path / "traceback.txt"
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

    def summary(self, status: Status, *, wall: float, own_cpu: float) -> dict[str, Any]:  # JSON
        """Returns the object that ``--json`` prints."""
        counts = self._desk.counts if self._desk else None
        in_jobs = counts.cpu_seconds_in_jobs if counts else 0.0
        inline = self._options.runtime == "inline"
        shards_cpu = 0.0 if inline else sum(c.cpu_seconds for c in self._closings)
        kinds = add_counts([closing.kinds for closing in self._closings])
        return {
            "run": str(self._folder.path),
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
            "cpu_seconds": round(own_cpu + shards_cpu + self._other_cpu, 3),
            "cpu_seconds_in_jobs": round(in_jobs, 3),
            "jobs": counts.jobs if counts else 0,
            "jobs_cached": counts.jobs_cached if counts else 0,
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

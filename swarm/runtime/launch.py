"""Launches a blueprint on a host, or goes on with a run, and keeps the run folder honest."""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from swarm.comms.digest import MAX_CELLS
from swarm.errors import RunFailedError, UsageError
from swarm.pipeline.workbench import Workbench
from swarm.runtime.attempt import Attempt, Runtime
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.coordinator import ShardHost
from swarm.runtime.desk import Backend, InlineBackend
from swarm.runtime.folder_lock import FolderLock
from swarm.runtime.inline import InlineHost
from swarm.runtime.options import Finish, Options, Outcome, Perform, Result
from swarm.runtime.resume import Start, cut_back, expect_same, find_start
from swarm.runtime.run_folder import RunFolder, read_manifest
from swarm.runtime.snapshots import Spent
from swarm.runtime.supervisor import Supervisor

__all__ = ["Finish", "Options", "Outcome", "Perform", "Result", "launch", "resume"]


class InlineRuntime:
    """Everything in this process."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def start(
        self, blueprint: Blueprint, folder: Path, bench: Workbench, start: Path | None
    ) -> tuple[ShardHost, Backend]:
        """Builds the shards here."""
        host = InlineHost(
            blueprint,
            folder=folder,
            n_shards=self._options.shards,
            shuffle=self._options.shuffle,
            start=start,
        )
        return host, InlineBackend(bench)

    def drop(self) -> None:
        """Shards of this process are never lost without it."""
        raise RunFailedError(what="shards of one process cannot be replaced")

    def rehost(self, start: Path | None) -> ShardHost:
        """Shards of this process are never lost without it."""
        raise RunFailedError(what=f"shards of one process cannot be replaced from {start}")

    def stop(self) -> float:
        """There is nothing to take down."""
        return 0.0


def launch(blueprint: Blueprint, options: Options, finish: Finish | None = None) -> Outcome:
    """Runs a lab to its end and leaves a run folder.

    Raises:
        UsageError: If the options cannot be met; nothing has been run then.
    """
    expect_shards(blueprint, options)
    folder = RunFolder.create(blueprint, out=options.out, host=host_of(options))
    with FolderLock(folder.path):
        return carry_out(blueprint, options, finish, folder=folder, start=Start())


def resume(
    path: Path, blueprint: Blueprint, options: Options, finish: Finish | None = None
) -> Outcome:
    """Goes on with a run that was stopped or killed, from its last snapshot, to its end.

    The digests are those of a run that was never disturbed. A run that has ended is left as it is.

    Args:
        path: The run folder.
        blueprint: What its manifest was made into.
        options: Where and how to go on: other shards, another runtime.
        finish: As for ``launch``.

    Raises:
        UsageError: If the run is another than the blueprint's, if the options cannot be met, or if
            another process is at it.
    """
    manifest = read_manifest(path)
    if manifest["status"] == "ok":
        return Outcome(path=path, status="ok", summary=dict(manifest["summary"]))
    expect_shards(blueprint, options)
    expect_same(path, blueprint)
    with FolderLock(path):
        folder = RunFolder(path, manifest)
        start = _with_costs(find_start(path), manifest)
        said = f"went on from {start.place}, after status {manifest['status']!r}"
        folder.begin_again(host_of(options), ". ".join((said, *start.problems)))
        if options.is_live:
            sys.stderr.write("".join(f"note: {one}\n" for one in (said, *start.problems)))
        cut_back(path, start)
        return carry_out(blueprint, options, finish, folder=folder, start=start)


def carry_out(
    blueprint: Blueprint,
    options: Options,
    finish: Finish | None,
    *,
    folder: RunFolder,
    start: Start,
) -> Outcome:
    """Runs in a folder that is locked and has been cut back to a starting point."""
    began, cpu_began = time.monotonic(), time.process_time()
    if options.runtime == "ray" and options.is_supervised:
        supervisor = Supervisor(blueprint, options, finish, folder)
        outcome = supervisor.run(start)
        summary = outcome.summary or _nothing_known(blueprint, options, folder, start)
        summary["first_window_seconds"] = round(supervisor.first_window_after or 0.0, 3)
        summary["wall_seconds"] = round(start.spent.wall_seconds + time.monotonic() - began, 3)
        summary["cpu_seconds"] = round(summary["cpu_seconds"] + time.process_time() - cpu_began, 3)
        status, error = outcome.status, outcome.error
    else:
        attempt = Attempt(
            blueprint, options, folder.path, start=start, on_incident=folder.add_incident
        )
        status, error = attempt.go(_runtime(options), finish)
        summary = attempt.summary(status)
    summary["status"] = status
    summary["incidents"] = len(folder.manifest.get("incidents", []))
    folder.finish(status, {"summary": summary, **({"error": str(error)} if error else {})})
    return Outcome(path=folder.path, status=status, summary=summary, error=error)


def _nothing_known(
    blueprint: Blueprint, options: Options, folder: RunFolder, start: Start
) -> dict[str, Any]:  # Any: JSON
    """Returns the summary of a run whose coordinator could not say anything any more."""
    quiet = replace(options, is_live=False)
    return Attempt(blueprint, quiet, folder.path, start=start).summary("failed")


def _with_costs(start: Start, manifest: Mapping[str, Any]) -> Start:  # Any: JSON
    """A run that ended by itself has said what it cost; a snapshot knows less."""
    said = manifest.get("summary", {})
    spent = Spent(
        wall_seconds=said.get("wall_seconds", 0.0),
        cpu_seconds=said.get("cpu_seconds", 0.0),
        cpu_seconds_in_jobs=said.get("cpu_seconds_in_jobs", 0.0),
        snapshots=said.get("snapshots", 0),
        cpu_seconds_in_snapshots=said.get("cpu_seconds_in_snapshots", 0.0),
    )
    return replace(start, spent=max(start.spent, spent, key=lambda one: one.wall_seconds))


def expect_shards(blueprint: Blueprint, options: Options) -> None:
    """Raises ``UsageError`` if the actors cannot be cut into as many shards as asked for."""
    n_actors = sum(count for _, count in blueprint.roster)
    most = min(n_actors, MAX_CELLS)
    if not 1 <= options.shards <= most:
        raise UsageError(
            what=f"{n_actors} actors can be cut into 1 to {most} shards, came {options.shards}"
        )


def host_of(options: Options) -> dict[str, object]:
    """Returns where a run takes place, for its manifest."""
    chosen = {
        "runtime": options.runtime,
        "shards": options.shards,
        "workers": options.workers,
        "address": options.address,
        "cache": None if options.cache_dir is None else str(options.cache_dir.absolute()),
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _runtime(options: Options) -> Runtime:
    if options.runtime == "inline":
        return InlineRuntime(options)
    from swarm.runtime.ray_runtime import RayRuntime  # noqa: PLC0415  inline runs need no Ray

    return RayRuntime(options)

"""Going on with a run from its folder alone: the lab is rebuilt from the manifest."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from swarm.errors import UsageError
from swarm.runtime.fork import Change
from swarm.runtime.options import Options, Outcome
from swarm.runtime.run_folder import read_manifest
from swarm.scenarios.config import parse_duration
from swarm.scenarios.forks import DROP, expect_forkable
from swarm.scenarios.lab import Lab
from swarm.scenarios.rebuild import rebuild_lab


def resume_run(
    path: Path,
    *,
    runtime: Literal["inline", "ray"] | None = None,
    shards: int | None = None,
    workers: int | None = None,
    address: str | None = None,
    options: Options | None = None,
) -> tuple[Lab, Outcome]:
    """Brings a run that was stopped or killed to its end.

    Args:
        path: The run folder.
        runtime: Where to go on; by default, as for the rest, where the run was.
        shards: Engines to cut the actors into.
        workers: Job processes under ``ray``.
        address: A Ray cluster to join.
        options: What else to ask of the runtime.

    Returns:
        The lab, and how its run ended.

    Raises:
        UsageError: If there is no run, if it cannot go on here, or if another process is at it.
    """
    manifest = read_manifest(path)
    lab = rebuild_lab(manifest)
    chosen = host_options(
        manifest.get("host", {}),
        options or Options(),
        {"runtime": runtime, "shards": shards, "workers": workers, "address": address},
    )
    return lab, lab.resume(path, chosen)


def fork_run(
    path: Path,
    *,
    at: str,
    settings: Mapping[str, str],
    out: Path,
    options: Options | None = None,
) -> tuple[Lab, Outcome]:
    """Runs what a run would have become, had something been different from some place on.

    Args:
        path: The run folder of the parent; it must be where it was, and of this code.
        at: A sequence number of its log, or virtual time such as ``3d``.
        settings: What is different: keys of ``FORKS``.
        out: The folder of the fork; empty or not there yet.
        options: What else to ask of the runtime.

    Returns:
        The lab as it is changed, and how the fork ended.

    Raises:
        UsageError: If a key cannot change halfway, or the parent cannot be forked there.
    """
    expect_forkable(list(settings))
    manifest = read_manifest(path)
    changed = {key: value for key, value in settings.items() if key != DROP}
    lab = rebuild_lab({**manifest, "config": {**manifest["config"], **changed}})
    chosen = replace(host_options(manifest.get("host", {}), options or Options(), {}), out=out)
    change = Change(
        at=_place(path, at).due if at.isdecimal() else _tick(at),
        settings=settings,
        dropped=_place(path, settings[DROP]).id if DROP in settings else None,
    )
    before = rebuild_lab(manifest).build(chosen)
    return lab, lab.fork(path, change, before, chosen)


def _tick(text: str) -> int:
    try:
        return parse_duration(text)
    except UsageError as wrong:
        what = f"--at {text!r}: expected a sequence number, or virtual time such as 3d or 12h"
        raise UsageError(what=what) from wrong


class _Place(NamedTuple):
    """A message of a log."""

    due: int
    id: int


def _place(path: Path, number: str) -> _Place:
    """Finds the message of a sequence number."""
    from swarm.analysis.run import load_run  # noqa: PLC0415  DuckDB, needed here alone

    if not number.isdecimal():
        raise UsageError(what=f"{number!r} is no sequence number")
    found = load_run(path).sql("select due, id from messages where seq = $n", {"n": int(number)})
    if not len(found):
        raise UsageError(what=f"{path} has no message {number}; see the log command")
    due, id_ = found.row(0)
    return _Place(int(due), int(id_))


def known_runtime(name: str | None) -> Literal["inline", "ray"] | None:
    """Returns the runtime of that name. Raises ``UsageError`` if there is none."""
    match name:
        case None | "inline" | "ray":
            return name
        case _:
            raise UsageError(what=f"--runtime {name!r} is unknown; choose inline or ray")


def host_options(
    then: Mapping[str, Any],  # Any: JSON
    options: Options,
    asked: Mapping[str, object],
) -> Options:
    """Returns the options of a run that goes on: as it was, but for what is asked now.

    Raises:
        UsageError: If workers or a cluster are asked for where there are none.
    """
    host = {**then, **{name: value for name, value in asked.items() if value is not None}}
    runtime = host.get("runtime", "inline")
    for name in ("workers", "address"):
        if runtime == "inline" and asked.get(name) is not None:
            raise UsageError(what=f"--{name} is for --runtime ray, which this run is not")
    is_ray = runtime == "ray"
    return Options(
        runtime="ray" if is_ray else "inline",
        shards=int(host.get("shards", 1)),
        workers=host.get("workers") if is_ray else None,
        address=host.get("address") if is_ray else None,
        cache_dir=Path(host["cache"]) if "cache" in host else None,
        corpus_dir=options.corpus_dir,
        is_live=options.is_live,
        is_supervised=is_ray,
    )

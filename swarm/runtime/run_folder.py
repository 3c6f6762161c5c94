"""The run folder: where a run leaves everything, and its manifest with an honest status."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from swarm.comms.topologies.graphml import MAX_NODES, write_graphml
from swarm.errors import RunFailedError, UsageError, boundary
from swarm.kernel.roster import Roster
from swarm.pipeline.wire import SCHEMA_VERSION, schema_hash
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.manifest import facts_of
from swarm.runtime.versions import versions

Status: TypeAlias = Literal["running", "ok", "failed", "interrupted"]

MANIFEST = "manifest.json"


@dataclass
class RunFolder:
    """One run on disk.

    ``manifest.json`` says ``running`` until the run has ended in some way and said so; a run that
    was killed is therefore never mistaken for one that finished.
    """

    path: Path
    manifest: dict[str, Any]  # Any: JSON

    @classmethod
    def create(
        cls, blueprint: Blueprint, *, out: Path | None, host: Mapping[str, object]
    ) -> "RunFolder":
        """Makes the folder and writes what the run is.

        Args:
            blueprint: What will run.
            out: The folder; by default a new one under ``runs/``.
            host: Runtime, shards and the like, for the manifest.

        Raises:
            UsageError: If the folder has something in it, or cannot be written.
        """
        path = _choose(blueprint) if out is None else out
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(what=f"--out {path} is not an empty folder; name a new one")
        try:
            for name in ("messages", "notes", "artifacts"):
                (path / name).mkdir(parents=True, exist_ok=True)
        except OSError as refused:
            raise UsageError(
                what=f"--out {path} cannot be written ({refused.strerror}); name another folder"
            ) from refused
        manifest = {
            "run": path.name,
            "scenario": blueprint.scenario,
            "status": "running",
            "seed": blueprint.seed,
            "config": dict(blueprint.config),
            "host": dict(host),
            "roster": [list(pair) for pair in blueprint.roster],
            "schema_version": SCHEMA_VERSION,
            "schema_hash": schema_hash(),
            "versions": versions(),
            "started": _now(),
        }
        folder = cls(path, manifest)
        folder.save()
        roster = Roster(blueprint.roster)
        _write_actors(roster, path / "actors.parquet")
        names = [roster.name(rank) for rank in range(min(len(roster), MAX_NODES))]
        with boundary(RunFailedError, f"writing the graph into {path}"):
            write_graphml(blueprint.graph, names, path / "graph.graphml")
        return folder

    def finish(self, status: Status, facts: Mapping[str, object]) -> None:
        """Records how the run ended."""
        self.manifest |= {"status": status, "ended": _now(), **facts}
        self.save()

    def begin_again(self, host: Mapping[str, object], incident: str) -> None:
        """Records that a run goes on, where, and why it had to."""
        for stale in ("ended", "error", "summary"):
            self.manifest.pop(stale, None)
        self.manifest |= {"status": "running", "host": dict(host)}
        self.add_incident(incident)

    def add_incident(self, what: str) -> None:
        """Records something that befell the run; the log knows nothing of it."""
        incidents = self.manifest.setdefault("incidents", [])
        incidents.append({"at": _now(), "what": what})
        self.save()

    def save(self) -> None:
        """Writes the manifest so that it is always whole."""
        partial = self.path / f".{MANIFEST}"
        with boundary(RunFailedError, f"writing the manifest in {self.path}"):
            with partial.open("w") as file:
                json.dump(self.manifest, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self.path / MANIFEST)


def read_manifest(path: Path) -> dict[str, Any]:  # Any: JSON
    """Reads the manifest of a run folder.

    Raises:
        UsageError: If there is none, it is damaged, or a newer swarm wrote it.
    """
    file = path / MANIFEST
    if not file.exists():
        raise UsageError(what=f"{path} is not a run folder: it has no {MANIFEST}")
    try:
        manifest = json.loads(file.read_text())
        written = int(manifest["schema_version"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as wrong:
        raise UsageError(what=f"{file} is damaged: {wrong}") from wrong
    if written > SCHEMA_VERSION:
        known = manifest.get("versions")
        by = known.get("swarm", "unknown") if isinstance(known, dict) else "unknown"
        raise UsageError(
            what=f"{path} has log schema {written}, written by swarm {by}; this swarm reads up to"
            f" schema {SCHEMA_VERSION}: use a newer swarm"
        )
    facts_of(manifest, file)
    return dict(manifest)


def _choose(blueprint: Blueprint) -> Path:
    facts = json.dumps([blueprint.config, versions()["code"]], sort_keys=True, default=str)
    short = sha256(facts.encode()).hexdigest()[:6]
    stem = f"{blueprint.scenario}-{blueprint.seed}-{short}"
    path, again = Path("runs") / stem, 1
    while path.exists():
        again += 1
        path = Path("runs") / f"{stem}-{again}"
    return path


def _write_actors(roster: Roster, path: Path) -> None:
    ranks = range(len(roster))
    table = pa.table(
        {
            "rank": pa.array(ranks, pa.int32()),
            "actor": pa.array([roster.name(rank) for rank in ranks], pa.string()),
            "role": pa.array([roster.role(rank) for rank in ranks], pa.string()),
        }
    )
    with boundary(RunFailedError, f"writing {path}"):
        pq.write_table(table, path, compression="zstd")


def _now() -> str:
    return datetime.now(tz=UTC).isoformat(timespec="seconds")

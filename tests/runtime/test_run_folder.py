import json
from pathlib import Path

import duckdb
import pytest

from swarm.errors import UsageError
from swarm.pipeline.wire import SCHEMA_VERSION
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Options
from swarm.runtime.run_folder import RunFolder, read_manifest
from swarm.scenarios import gossip


@pytest.fixture
def blueprint() -> Blueprint:
    return gossip.lab(seed=7, **{"roles.gossiper": 20}).build(Options())


def test_a_new_folder_says_what_runs_and_that_it_runs(blueprint: Blueprint, tmp_path: Path) -> None:
    RunFolder.create(blueprint, out=tmp_path / "run", host={"runtime": "inline"})

    manifest = read_manifest(tmp_path / "run")
    facts = {name: manifest[name] for name in ("run", "scenario", "status", "seed", "host")}
    assert facts == {
        "run": "run",
        "scenario": "gossip",
        "status": "running",
        "seed": 7,
        "host": {"runtime": "inline"},
    }
    assert manifest["config"]["rounds"] == 100
    assert {"python", "msgspec", "code", "cpu"} <= set(manifest["versions"])


def test_the_end_of_a_run_is_on_record(blueprint: Blueprint, tmp_path: Path) -> None:
    folder = RunFolder.create(blueprint, out=tmp_path / "run", host={})

    folder.finish("failed", {"error": "no"})

    manifest = read_manifest(tmp_path / "run")
    assert (manifest["status"], manifest["error"]) == ("failed", "no")
    assert manifest["ended"] >= manifest["started"]


def test_everybody_is_in_a_table_by_rank(blueprint: Blueprint, tmp_path: Path) -> None:
    RunFolder.create(blueprint, out=tmp_path / "run", host={})

    query = f"select rank, actor, role from '{tmp_path}/run/actors.parquet' order by rank"
    rows = duckdb.connect().execute(query).fetchall()
    assert rows == [(i, f"gossiper-{i}", "gossiper") for i in range(20)]


def test_by_default_runs_are_numbered_under_runs(
    blueprint: Blueprint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    first, second = (RunFolder.create(blueprint, out=None, host={}).path for _ in range(2))

    assert first.parent == Path("runs")
    assert first.name.startswith("gossip-7-")
    assert second.name == f"{first.name}-2"


def test_a_folder_with_something_in_it_is_refused(blueprint: Blueprint, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")

    with pytest.raises(UsageError, match="is not an empty folder"):
        RunFolder.create(blueprint, out=tmp_path, host={})

    assert (tmp_path / "mine").read_text() == "precious"


def test_a_folder_that_cannot_be_made_is_refused(blueprint: Blueprint, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="cannot be written"):
        RunFolder.create(blueprint, out=tmp_path / "file" / "run", host={})


def test_a_folder_without_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run folder"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": "new"}', '{"schema_ver'])
def test_a_damaged_manifest_is_said_to_be_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(UsageError, match="is damaged"):
        read_manifest(tmp_path)


def test_a_log_of_a_newer_schema_is_refused_by_name(blueprint: Blueprint, tmp_path: Path) -> None:
    folder = RunFolder.create(blueprint, out=tmp_path / "run", host={})
    newer = {**folder.manifest, "schema_version": SCHEMA_VERSION + 1, "versions": {"swarm": "9.9"}}
    (folder.path / "manifest.json").write_text(json.dumps(newer))

    with pytest.raises(UsageError, match=rf"schema {SCHEMA_VERSION + 1}, written by swarm 9\.9"):
        read_manifest(folder.path)

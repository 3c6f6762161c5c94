"""Records the golden runs: python -m tests.golden.record [NAME ...]

Every test run replays them with the code as it is. A run that is there is not recorded again: to
change one, remove its folder, and say in an ADR why the old log may no longer be replayed.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from swarm.comms.log import write_segment
from swarm.runtime.launch import Options

HERE = Path(__file__).parent
KEPT = ("manifest.json", "journal", "actors.parquet", "messages", "notes")

BROKEN = "gossip_broken"
BROKEN_ROW = 77
"""Sequence number of the message that is not as its sender told it."""


class Golden(NamedTuple):
    """One run to record."""

    scenario: str
    overrides: Mapping[str, object]
    shards: int = 1


GOLDEN = {
    "gossip": Golden("gossip", {"roles.gossiper": 30, "rounds": 12, "degree": 4}),
    "mm1_queue": Golden(
        "mm1_queue", {"roles.queue_source": 3, "roles.queue_server": 3, "customers": 60}
    ),
    "two_researchers": Golden("two_researchers", {"fidelity": "surrogate"}, shards=3),
    "full_lab": Golden(
        "full_lab",
        {
            "fidelity": "surrogate",
            "until": 172_800,
            "roles.reviewer": 12,
            "roles.devops": 3,
            "roles.evaluator": 3,
            "roles.data_researcher": 12,
            "roles.pretraining_researcher": 24,
        },
    ),
}


def record(name: str, into: Path) -> None:
    """Runs a lab and keeps what a replay reads."""
    golden = GOLDEN[name]
    lab = import_module(f"swarm.scenarios.{golden.scenario}").lab(**golden.overrides)
    with tempfile.TemporaryDirectory() as folder:
        outcome = lab.run(Options(out=Path(folder) / name, shards=golden.shards, is_live=False))
        assert outcome.status == "ok", outcome.error
        into.mkdir()
        for one in KEPT:
            source = outcome.path / one
            if source.is_dir():
                shutil.copytree(source, into / one)
            else:
                shutil.copy(source, into / one)
    _forget_place(into / "manifest.json", name)


def break_one(golden: Path, into: Path) -> None:
    """Copies a run and changes one word of one message; the segment is whole otherwise."""
    shutil.copytree(golden, into)
    path = into / "messages" / "0000-000000.parquet"
    rows = pq.read_table(path)
    payloads = rows["payload"].to_pylist()
    message = json.loads(payloads[BROKEN_ROW])
    message["text"] = "baseline" + message["text"][8:]
    payloads[BROKEN_ROW] = json.dumps(message, separators=(",", ":"))
    at = rows.schema.get_field_index("payload")
    write_segment(
        rows.set_column(at, rows.schema.field(at), pa.array(payloads, pa.large_string())), path
    )


def _forget_place(path: Path, name: str) -> None:
    """Where a run stood when it was recorded is nobody's business."""
    manifest = json.loads(path.read_text())
    manifest["summary"]["run"] = name
    path.write_text(json.dumps(manifest, indent=1))


def main() -> None:
    """Records what is not there."""
    for name in sys.argv[1:] or [*GOLDEN, BROKEN]:
        into = HERE / name
        if into.exists():
            print(f"{name} is there and stays as it is")
        elif name == BROKEN:
            break_one(HERE / "gossip", into)
        else:
            record(name, into)


if __name__ == "__main__":
    main()

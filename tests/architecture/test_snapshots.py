"""What others rely on stands in ``tests/snapshots``: a change of it shows in the diff."""

import json
from pathlib import Path
from typing import Any

import typer

from swarm.cli import app
from swarm.pipeline.wire import codec
from swarm.scenarios.entry import Front
from swarm.scenarios.gossip import COUNTS, lab

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"


def compare(name: str, came: dict[str, Any], tmp_path: Path) -> None:  # Any: JSON
    """Compares with a snapshot; what came is left in a file that can be copied over it."""
    snapshot, new = SNAPSHOTS / name, tmp_path / name
    text = json.dumps(came, indent=1, sort_keys=True) + "\n"
    new.write_text(text)

    expected = json.loads(snapshot.read_text()) if snapshot.exists() else {}

    written = json.loads(text)
    keys = sorted(written.keys() | expected.keys())
    changed = [key for key in keys if written.get(key) != expected.get(key)]
    assert changed == [], f"if that is meant, say it in CHANGELOG.md and run cp {new} {snapshot}"


# Any: typer keeps its copy of click to itself.
def options(command: Any) -> dict[str, object]:  # noqa: ANN401
    return {
        "/".join(param.opts): {
            "default": None if param.default is None else str(param.default),
            "required": param.required,
            "repeatable": param.multiple or param.nargs != 1,
        }
        for param in command.params
    }


def test_the_wire_is_as_it_was(tmp_path: Path) -> None:
    compare("wire.json", codec().json_schema(), tmp_path)


def test_the_command_line_is_as_it_was(tmp_path: Path) -> None:
    scenario = typer.Typer(add_completion=False)
    scenario.command()(Front("gossip", lab=lab, counts=COUNTS).run)
    group: Any = typer.main.get_command(app)  # Any: as above

    surface: dict[str, Any] = {  # Any: JSON
        f"swarm {name}": options(one) for name, one in group.commands.items()
    }
    surface["swarm.scenarios.<name>"] = options(typer.main.get_command(scenario))

    compare("commands.json", surface, tmp_path)

"""What the documentation points to is there."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text()
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
FILES = re.compile(r"^\| `([\w./]+)`(?:; `([\w./]+)`)? ", re.MULTILINE)
COMMAND = re.compile(r"^python -m (.+?)(?:\s+#.*)?$", re.MULTILINE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_file_map_names_what_there_is() -> None:
    paths = [path for pair in FILES.findall(README) for path in pair if path]

    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("command", COMMAND.findall(README))
def test_commands_of_the_readme_exist(command: str) -> None:
    module, *arguments = shlex.split(command)

    known = [one.name or getattr(one.callback, "__name__", "") for one in app.registered_commands]

    assert importlib.util.find_spec(module)
    assert module != "swarm" or arguments[0] in known


def test_every_decision_has_its_four_parts_and_fits_on_a_page() -> None:
    for page in sorted((ROOT / "docs" / "adr").glob("*.md")):
        text = page.read_text()

        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)

        assert parts == ["Context", "Decision", "Consequences", "Rejected"], page.name
        assert len(text.splitlines()) <= 60, page.name


@pytest.mark.slow
@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=name_of)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(example), str(tmp_path / "run")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout

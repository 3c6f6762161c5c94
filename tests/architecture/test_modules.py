"""What every file of ours has: a docstring that says what it is for, and a size one can read."""

import ast
from pathlib import Path

import pytest

import swarm

ROOT = Path(__file__).parents[2]
PACKAGE = Path(swarm.__file__).parent
OURS = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
MAX_LINES = 300
BANNED_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_module_has_a_docstring_whose_first_line_is_a_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))

    assert docstring
    assert docstring.split("\n\n")[0].rstrip().endswith((".", ":"))


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_module_is_short_or_its_docstring_says_why_not(path: Path) -> None:
    text = path.read_text()

    n_lines = len(text.splitlines())

    if n_lines > MAX_LINES:
        docstring = ast.get_docstring(ast.parse(text)) or ""
        assert f"{MAX_LINES} lines" in docstring, (
            f"{name_of(path)} has {n_lines} lines: split it, or let its docstring say why it is"
            f" longer than {MAX_LINES} lines"
        )


def test_a_function_lives_with_its_noun() -> None:
    assert [name_of(path) for path in OURS if path.name in BANNED_NAMES] == []


@pytest.mark.parametrize(
    "path", [p for p in OURS if p.name == "__init__.py" and p.parent != PACKAGE], ids=name_of
)
def test_a_package_front_holds_a_docstring_only_or_says_why_it_breaks_s9(path: Path) -> None:
    tree = ast.parse(path.read_text())

    assert len(tree.body) == 1 or "against S9" in (ast.get_docstring(tree) or "")


def test_what_swarm_exports_is_short_and_sorted() -> None:
    assert len(swarm.__all__) <= 20
    assert swarm.__all__ == sorted(swarm.__all__)

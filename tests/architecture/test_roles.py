"""A role is a pure reaction, and knows neither other roles nor the order of the pipeline."""

import ast
import re
from pathlib import Path

import pytest

import swarm.roles
from swarm.pipeline.parts import PARTS

FILES = sorted(
    path for path in Path(swarm.roles.__path__[0]).glob("*.py") if path.stem != "__init__"
)
IMPURE = {
    "asyncio",
    "datetime",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "uuid",
}
STAGES = {part.stage for part in PARTS}
PACKAGE = re.compile(r"swarm\.pipeline\.([a-z]+).*")


def name_of(path: Path) -> str:
    return path.stem


def imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def stages_known(tree: ast.Module) -> set[str]:
    """Stages that a role names, or whose package it imports."""
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    packages = {PACKAGE.sub(r"\1", name) for name in imported(tree) if PACKAGE.match(name)}
    return {stage for stage in STAGES if stage in strings or stage.replace("-", "") in packages}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_role_imports_nothing_that_acts_on_the_world(path: Path) -> None:
    names = {name.partition(".")[0] for name in imported(ast.parse(path.read_text()))}

    assert names & IMPURE == set()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_role_neither_opens_nor_prints(path: Path) -> None:
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]

    assert {"open", "print", "input", "hash", "id"}.isdisjoint(calls)


SERVE_ALL = {"evaluator", "integrator", "reviewer"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_role_does_not_import_another(path: Path) -> None:
    names = imported(ast.parse(path.read_text()))

    assert not [name for name in names if name.startswith("swarm.roles")]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_role_knows_one_stage_at_most(path: Path) -> None:
    """But for those who test, measure and assemble: they serve every stage alike."""
    stages = stages_known(ast.parse(path.read_text()))

    assert len(stages) <= 1 or path.stem in SERVE_ALL


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_role_receives_a_closed_union(path: Path) -> None:
    """So that a forgotten message is a type error."""
    tree = ast.parse(path.read_text())
    receives = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "receive"
    ]

    inboxes = {ast.unparse(node.args.args[1].annotation or ast.Constant("")) for node in receives}

    assert len(receives) == 1
    assert inboxes == {"Inbox"}
    if any(isinstance(node, ast.Match) for node in ast.walk(receives[0])):
        assert "assert_never(" in ast.unparse(receives[0])

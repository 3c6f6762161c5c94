"""Imports point down the list of layers, and heavy libraries stay in their homes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch",
    "ray",
    "vllm",
    "loguru",
    "optuna",
    "duckdb",
    "polars",
    "pandas",
    "plotly",
    "scipy",
)

LOAD_ALL = """
import importlib, pkgutil, sys
for name in {packages!r}:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{{name}}."):
        if not {only!r} or module.name.endswith({only!r}):
            importlib.import_module(module.name)
print(*sorted({heavy!r} & sys.modules.keys()))
"""


def loaded_by(*packages: str, only: str = "") -> list[str]:
    """Returns which heavy libraries a fresh process has after importing some packages."""
    code = LOAD_ALL.format(packages=packages, only=only, heavy=set(HEAVY))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.slow
def test_every_layer_imports_downwards_only() -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"

    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_importing_every_role_loads_no_heavy_library() -> None:
    assert loaded_by("swarm.kernel", "swarm.comms.messages", "swarm.memory", "swarm.roles") == []


@pytest.mark.slow
def test_importing_every_job_specification_loads_no_heavy_library() -> None:
    assert loaded_by("swarm.pipeline", only=".spec") == []


@pytest.mark.slow
def test_importing_swarm_loads_no_heavy_library() -> None:
    code = f"import sys, swarm; print(*sorted({set(HEAVY)!r} & sys.modules.keys()))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []

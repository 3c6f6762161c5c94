import subprocess
import sys
from pathlib import Path

import pytest

from swarm.analysis import machine


@pytest.mark.slow
def test_a_machine_that_runs_these_tests_can_run_labs(tmp_path: Path) -> None:
    found = machine.examine(tmp_path)

    assert found.can_run["labs in one process"]
    assert found.cores >= 1
    assert found.memory_gib > 0
    assert found.disk_free_gib > 0
    assert set(machine.LIBRARIES) <= set(found.versions)
    assert found.lines()[0].startswith("python   3.")


def test_a_library_that_cannot_be_imported_is_named_with_its_reason() -> None:
    found, devices, problem = machine._try_library("import no_such_library")

    assert (found, devices) == ("", [])
    assert problem == "ModuleNotFoundError: No module named 'no_such_library'"


def test_a_library_that_kills_its_process_is_named_too() -> None:
    found, _, problem = machine._try_library("import os; os.abort()")

    assert found == ""
    assert problem


def test_what_is_missing_comes_with_a_remedy() -> None:
    missing = machine._missing(["duckdb"], "it is broken", "")

    assert [one.what for one in missing] == ["duckdb", "torch"]
    assert missing[1].remedy == "make venv, or --fidelity surrogate (it is broken)"


@pytest.mark.slow
def test_the_doctor_answers_where_the_command_line_cannot_be_imported() -> None:
    code = (
        "import runpy, sys\n"
        "sys.modules['typer'] = None\n"
        "sys.argv = ['swarm', 'doctor']\n"
        "runpy.run_module('swarm', run_name='__main__')\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stdout.startswith("python   3.")
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr

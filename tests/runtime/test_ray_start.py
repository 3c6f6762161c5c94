import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from swarm.errors import UsageError
from swarm.runtime import ray_start
from swarm.runtime.cpu_time import children
from swarm.runtime.ray_start import RaySession

pytestmark = pytest.mark.ray

GOSSIP = [sys.executable, "-m", "swarm.scenarios.gossip", "--actors", "20", "--set", "rounds=3"]


def environment(home: Path, temp: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    # This process may have a Ray; the command must not know.
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**ours, "PYTHONPATH": root, "HOME": str(home), "TMPDIR": str(temp)}


def command(*arguments: str, cwd: Path, temp: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*GOSSIP, *arguments],
        cwd=cwd,
        env=environment(cwd, temp),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def temp() -> Iterator[Path]:
    """A folder with a short path: sockets live in it."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def commands_with(text: str) -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes())
    return [line for line in found if text.encode() in line]


def test_a_run_says_nothing_of_ray_and_leaves_nothing_behind(tmp_path: Path, temp: Path) -> None:
    arguments = ("--runtime", "ray", "--shards", "2", "--json", "--out", "run")

    done = command(*arguments, cwd=tmp_path, temp=temp)

    result = json.loads(done.stdout)
    assert (done.returncode, result["status"], result["messages"]) == (0, "ok", 80)
    assert "ray" not in done.stderr.lower()
    assert list(temp.iterdir()) == []
    assert commands_with(str(temp)) == []
    assert not (tmp_path / ".ray").exists()
    logs = list((tmp_path / "run/ray").iterdir())
    assert logs
    assert sum(path.stat().st_size for path in logs) < 2_000_000
    # Two shards, the driver and the daemons: a start of Ray is not free, and is not left out.
    assert result["cpu_seconds"] > 2


def test_an_interrupt_from_the_terminal_ends_everything_and_keeps_the_log(
    tmp_path: Path, temp: Path
) -> None:
    arguments = ("--runtime", "ray", "--shards", "2", "--out", "run", "--set", "rounds=1000000")
    process = subprocess.Popen(
        [*GOSSIP, *arguments],
        cwd=tmp_path,
        env=environment(tmp_path, temp),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()

    os.killpg(process.pid, signal.SIGINT)
    out, said = process.communicate(timeout=120)

    assert "windows" in first
    assert process.returncode == 130
    assert out.startswith("interrupted: 20 actors")
    assert "Traceback" not in said
    assert json.loads((tmp_path / "run/manifest.json").read_text())["status"] == "interrupted"
    assert pq.read_table(tmp_path / "run/messages").num_rows >= 20
    assert commands_with(str(temp)) == []


def test_an_address_where_nobody_answers_gives_one_sentence(tmp_path: Path, temp: Path) -> None:
    arguments = ("--runtime", "ray", "--address", "127.0.0.1:1")

    done = command(*arguments, cwd=tmp_path, temp=temp)

    assert done.returncode in {1, 2}
    (sentence,) = (line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert "--address 127.0.0.1:1: no Ray cluster can be joined there" in sentence
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "host:port"])
def test_an_address_is_auto_or_host_and_port(address: str) -> None:
    with pytest.raises(ValueError, match="expected 'auto' or host:port"):
        ray_start._knock(address)


def test_a_ray_that_this_process_has_is_used_and_left_running(
    local_ray: RaySession, tmp_path: Path
) -> None:
    daemons = children([os.getpid()])

    session = RaySession(folder=tmp_path / "ray", address=None, n_cpus=None)
    used = session.stop()

    assert used == 0.0
    assert children([os.getpid()]) == daemons
    assert not (tmp_path / "ray").exists()


def test_what_daemons_report_goes_to_the_log_and_not_to_standard_output(
    local_ray: RaySession, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = importlib.import_module("ray._private.worker")
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("ray").addHandler(handler)

    report = {"lines": ["low on memory"], "pid": "raylet", "is_err": False}
    driver.print_to_stdstream(report, ignore_prefix=False)

    logging.getLogger("ray").removeHandler(handler)
    assert heard == ["raylet: low on memory"]
    assert capsys.readouterr().out == ""


def test_without_ray_the_sentence_names_the_other_runtime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(UsageError, match="use --runtime inline"):
        ray_start.import_ray(is_local=True)

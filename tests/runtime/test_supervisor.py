"""Whatever dies under a supervisor, the run ends with the digests of one process."""

import _thread
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from swarm.runtime.cpu_time import descendants, is_running
from swarm.runtime.launch import Options, Outcome, resume
from swarm.runtime.snapshot_store import stored
from swarm.scenarios import gossip
from swarm.scenarios.lab import Lab

COORDINATOR = b"swarm.runtime.coordinate"
SHARD = b"ray::ShardActor"


def talk(every: int) -> Lab:
    """Gossip of some seconds, with snapshots as often as can be; 0 for none."""
    snapshots = {"every": every, "cpu_percent": 100}
    return gossip.lab(rounds=150, **{"roles.gossiper": 1_000, "snapshots": snapshots})


@pytest.fixture
def lab() -> Lab:
    return talk(every=1)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(
        out=tmp_path / "run",
        runtime="ray",
        shards=2,
        workers=1,
        is_supervised=True,
        is_live=False,
    )


@pytest.fixture
def alone(tmp_path: Path) -> Outcome:
    return talk(every=0).run(Options(out=tmp_path / "alone", is_live=False))


@contextmanager
def once_there_is_a_snapshot(run: Path, do: Callable[[], None]) -> Iterator[None]:
    """Does something while the block runs."""
    over = threading.Event()

    def wait() -> None:
        while not stored(run):
            if over.wait(0.01):
                return
        do()

    watcher = threading.Thread(target=wait)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def kill(mark: bytes) -> None:
    """Kills -9 one of the processes that this one has led to."""
    for pid in sorted(descendants([os.getpid()])):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if mark in line:
            os.kill(pid, signal.SIGKILL)
            return


def digests(outcome: Outcome) -> tuple[str, str]:
    assert outcome.status == "ok", outcome.error
    return outcome.summary["digest_control"], outcome.summary["digest_payload"]


def incidents(outcome: Outcome) -> list[str]:
    manifest = json.loads((outcome.path / "manifest.json").read_text())
    return [one["what"] for one in manifest.get("incidents", [])]


def test_a_supervisor_does_not_import_ray() -> None:
    code = (
        "import sys, swarm.cli, swarm.scenarios.full_lab, swarm.runtime.supervisor;"
        " sys.exit('ray' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False)

    assert done.returncode == 0


@pytest.mark.ray
@pytest.mark.parametrize(
    ("mark", "said"),
    [
        (SHARD, r"shard \d of 2 is lost: .*; all shards go back to the snapshot after window"),
        (COORDINATOR, "the coordinator ended by signal SIGKILL; another coordinator goes on from"),
    ],
    ids=["shard", "coordinator"],
)
def test_what_is_killed_costs_time_and_no_result(
    lab: Lab, options: Options, alone: Outcome, mark: bytes, said: str
) -> None:
    assert options.out is not None

    with once_there_is_a_snapshot(options.out, lambda: kill(mark)):
        outcome = lab.run(options)

    assert digests(outcome) == digests(alone)
    (incident,) = incidents(outcome)
    assert re.match(said, incident)
    assert outcome.summary["incidents"] == 1
    assert outcome.summary["messages"] == alone.summary["messages"]


@pytest.mark.ray
def test_ctrl_c_closes_the_segments_and_the_run_goes_on_anywhere(
    lab: Lab, options: Options, alone: Outcome
) -> None:
    assert options.out is not None
    before = descendants([os.getpid()])

    with once_there_is_a_snapshot(options.out, _thread.interrupt_main):
        stopped = lab.run(options)

    assert (stopped.status, stopped.error) == ("interrupted", None)
    assert stopped.summary["messages"] > 0
    assert [p for p in descendants([os.getpid()]) - before if is_running(p)] == []
    inline = Options(shards=3, is_live=False)
    assert digests(resume(stopped.path, lab.build(inline), inline)) == digests(alone)


@pytest.mark.ray
def test_a_node_that_is_killed_costs_time_and_no_result(
    lab: Lab, options: Options, alone: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert options.out is not None
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        there = replace(options, address=cluster.address, shards=6)

        with once_there_is_a_snapshot(
            options.out, lambda: cluster.remove_node(nodes[0], allow_graceful=False)
        ):
            outcome = lab.run(there)

        assert digests(outcome) == digests(alone)
        assert "is lost" in incidents(outcome)[0]
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]

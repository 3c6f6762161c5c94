"""A disk that is full while a run writes: simulated by a limit on the size of files."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import swarm


def test_a_run_on_a_full_disk_fails_with_one_sentence_and_keeps_what_was_written(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "swarm.scenarios.gossip", "--json", "--out", str(out)]
    limits = (2 << 20, 2 << 20)  # a segment of 100,000 rows is larger

    done = subprocess.run(
        [*command, "--actors", "2000", "--set", "rounds=60"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "log segment" in sentence
    assert json.loads((out / "manifest.json").read_text())["status"] == "failed"
    assert swarm.load_run(out).manifest["status"] == "failed"

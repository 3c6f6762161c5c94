"""One Ray actor process per role actor: how long they take to start and to talk, and their memory.

Memory is the proportional set size of the run's process and all its descendants, looked at twice a
second; its peak is reported.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarm.analysis.promises import Figure, Report

_LOOK_EVERY_SECONDS = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="One Ray actor process per role actor.")
    parser.add_argument("count", type=int, nargs="?", default=40, help="actors, and processes")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    report = measure(n_actors=arguments.count, rounds=arguments.rounds)
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(*, n_actors: int, rounds: int) -> Report:
    """Runs one per process on Ray, and all in one process for the digests."""
    began = time.perf_counter()
    on_ray, peak = run_gossip(n_actors, rounds, "--runtime", "ray", "--actors-per-shard", "1")
    whole = time.perf_counter() - began
    inline, _ = run_gossip(n_actors, rounds)
    same = all(on_ray[name] == inline[name] for name in ("digest_control", "digest_payload"))
    messages = on_ray["messages"]
    return Report(
        benchmark="ray_actors",
        figures=(
            Figure(what="from the command to the end", value=whole, unit="s"),
            Figure(
                what="messages in windows",
                value=messages / on_ray["wall_seconds_in_windows"],
                unit="messages/s",
            ),
            Figure(what="CPU-seconds of all processes", value=on_ray["cpu_seconds"], unit="s"),
            Figure(what="memory at its peak", value=peak / 2**30, unit="GiB"),
            Figure(what="of that per actor", value=peak / n_actors / 2**20, unit="MiB"),
            Figure(what="digests of one process (1 is yes)", value=int(same), unit="", promise=1),
        ),
        facts={"processes": f"{n_actors}", "messages": f"{messages:,}"},
    )


def run_gossip(n_actors: int, rounds: int, *more: str) -> tuple[dict[str, Any], int]:  # Any: JSON
    """Runs the scenario in a process of its own.

    Returns:
        Its summary, and the peak memory of its family in bytes.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "swarm.scenarios.gossip", "--json"]
        command += ["--actors", str(n_actors), "--set", f"rounds={rounds}", *more]
        printed = Path(folder) / "summary.json"
        with printed.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--out", str(Path(folder) / "run")],
                stdout=file,
                stderr=subprocess.DEVNULL,
            )
            peak = 0
            while process.poll() is None:
                peak = max(peak, _family_bytes(process.pid))
                time.sleep(_LOOK_EVERY_SECONDS)
        if process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, command)
        return json.loads(printed.read_text()), peak


def _family_bytes(pid: int) -> int:
    """Returns the proportional set size of a process and of all who descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (status := _read(entry / "stat")):
            parent = int(status.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    total, family = 0, [pid]
    while family:
        one = family.pop()
        family += children.get(one, [])
        for line in _read(Path(f"/proc/{one}/smaps_rollup")).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def _read(path: Path) -> str:
    """Returns what stands in a file of a process, nothing if the process has just ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())

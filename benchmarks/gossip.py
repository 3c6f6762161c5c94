"""The kernel in one process: messages per CPU-second, bytes on disk, memory and start of actors.

Every run is a process of its own, started as a user would start it, so nothing is warm. CPU-seconds
are those of all threads, from the start of the launch to the manifest.
"""

import argparse
import ctypes
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarm.analysis.promises import Figure, Report, median
from swarm.runtime.inline import InlineHost
from swarm.runtime.launch import Options
from swarm.scenarios.gossip import lab


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.idle_here:
        print(json.dumps(idle_bytes(arguments.idle_here)))
        return 0
    report = measure(
        n_actors=arguments.actors,
        rounds=arguments.rounds,
        repeats=arguments.repeats,
        n_idle=arguments.idle,
    )
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(*, n_actors: int, rounds: int, repeats: int, n_idle: int) -> Report:
    """Runs everything and holds it against the promises."""
    runs = [run_gossip(n_actors, rounds) for _ in range(repeats)]
    rates = [one["messages"] / one["cpu_seconds"] for one in runs]
    starts = [run_gossip(n_actors, 1)["whole_seconds"] for _ in range(repeats)]
    resting, peak = json.loads(_own_process("--idle-here", str(n_idle)))
    actors = f"{n_actors:,} actors"
    return Report(
        benchmark="gossip",
        figures=(
            Figure(
                what=f"{actors}, log on, median of {repeats}",
                value=median(rates),
                unit="messages/CPU-s",
                promise=500_000,
            ),
            Figure(what="the best of them", value=max(rates), unit="messages/CPU-s"),
            Figure(
                what="log on disk",
                value=runs[0]["log_bytes"] / runs[0]["messages"],
                unit="bytes/message",
                promise=60,
                is_better="below",
            ),
            Figure(
                what=f"{n_idle:,} idle actors at rest, graph included",
                value=resting / n_idle,
                unit="bytes/actor",
                promise=2_048,
                is_better="below",
            ),
            Figure(what="the same at its peak", value=peak / n_idle, unit="bytes/actor"),
            Figure(
                what=f"{actors}, from the command to the end of a run of one round",
                value=median(starts),
                unit="s",
                promise=5,
                is_better="below",
            ),
        ),
        facts={"messages": f"{runs[0]['messages']:,}"},
    )


def run_gossip(n_actors: int, rounds: int, *more: str) -> dict[str, Any]:  # Any: JSON
    """Runs the scenario in a process of its own; returns its summary and its whole seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "swarm.scenarios.gossip", "--json"]
        command += ["--actors", str(n_actors), "--set", f"rounds={rounds}", *more]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--out", str(Path(folder) / "run")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return {**json.loads(done.stdout), "whole_seconds": time.perf_counter() - began}


def idle_bytes(n_actors: int) -> tuple[int, int]:
    """Builds actors, lets them handle their first message, and leaves them alone.

    Returns:
        Resident bytes that they add at rest, and at the peak.
    """
    before = _resident_bytes()
    blueprint = lab(rounds=0, log=False, **{"roles.gossiper": n_actors}).build(Options())
    host = InlineHost(blueprint, folder=None)
    host.run_window(1, {})
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return _resident_bytes() - before, peak - before


def _own_process(*arguments: str) -> bytes:
    return subprocess.run(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, check=True
    ).stdout


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Messages per CPU-second, bytes, memory, start.")
    parser.add_argument("--actors", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--idle", type=int, default=1_000_000)
    parser.add_argument("--idle-here", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

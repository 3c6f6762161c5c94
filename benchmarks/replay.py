"""Replay: messages per CPU-second on gossip, and how much faster than its run the full lab is.

A replay is a process of its own, started as a user would start it; its CPU-seconds are those that
it reports, of everything but starting Python. ``--run`` takes a lab that was run before.
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

from swarm.analysis.promises import Figure, Report, median
from swarm.runtime.run_folder import read_manifest


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as work:
        figures = measure_gossip(
            Path(work) / "gossip",
            n_actors=arguments.actors,
            rounds=arguments.rounds,
            repeats=arguments.repeats,
        )
        if not arguments.no_lab:
            run = arguments.run or run_scenario("full_lab", Path(work) / "lab")
            figures += measure_lab(run, arguments.repeats)
    report = Report(benchmark="replay", figures=tuple(figures))
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure_gossip(run: Path, *, n_actors: int, rounds: int, repeats: int) -> list[Figure]:
    """Replays a run of the kernel's benchmark."""
    run_scenario("gossip", run, "--actors", str(n_actors), "--set", f"rounds={rounds}")
    summary = read_manifest(run)["summary"]
    replays = [replay(run) for _ in range(repeats)]
    rates = [one["messages"] / one["cpu_seconds"] for one in replays]
    own = summary["messages"] / summary["cpu_seconds"]
    what = f"gossip, {n_actors:,} actors, {summary['messages']:,} messages"
    return [
        Figure(
            what=f"{what}, replayed, median of {repeats}",
            value=median(rates),
            unit="messages/CPU-s",
            promise=300_000,
        ),
        Figure(what="the best of them", value=max(rates), unit="messages/CPU-s"),
        Figure(what="the run itself", value=own, unit="messages/CPU-s"),
    ]


def measure_lab(run: Path, repeats: int) -> list[Figure]:
    """Holds replays of a lab against its run."""
    summary = read_manifest(run)["summary"]
    replays = [replay(run) for _ in range(repeats)]
    whole = median([one["whole_seconds"] for one in replays])
    cpu = median([one["cpu_seconds"] for one in replays])
    return [
        Figure(
            what=f"{run.name}: seconds of the run per second of its replay, from the command",
            value=summary["wall_seconds"] / whole,
            unit="times",
            promise=20,
        ),
        Figure(
            what="CPU-seconds of the run per CPU-second of its replay",
            value=summary["cpu_seconds"] / cpu,
            unit="times",
        ),
        Figure(what="replay, from the command to the verdict", value=whole, unit="s"),
    ]


def replay(run: Path) -> dict[str, Any]:  # Any: JSON
    """Replays a run in a process of its own; returns its report and its whole seconds."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "swarm", "replay", str(run), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return {**json.loads(done.stdout), "whole_seconds": time.perf_counter() - began}


def run_scenario(name: str, out: Path, *more: str) -> Path:
    """Runs a scenario; returns its folder."""
    command = [sys.executable, "-m", f"swarm.scenarios.{name}", "--out", str(out), "--json"]
    subprocess.run(
        [*command, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Replay against the run.")
    parser.add_argument("--actors", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--run", type=Path, help="A lab that was run before.")
    parser.add_argument("--no-lab", action="store_true", help="Only gossip.")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

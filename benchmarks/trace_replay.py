"""Trace replay: how long a synthetic trace of the scale of a public one takes, by mechanism.

The Philly and Helios traces have about 100,000 jobs a cluster. Every run is a process of its own,
started as a user would start it; CPU-seconds are those of the launch, the log included. A second
load is one under which a queue builds up: twice what the cluster can do.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarm.analysis.promises import Figure, Report
from swarm.gpu.mechanism import mechanisms

PROMISED_SECONDS = 60


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    report = measure(
        n_jobs=arguments.jobs,
        nodes=arguments.nodes,
        names=arguments.mechanisms.split(","),
        loads=arguments.loads,
    )
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(*, n_jobs: int, nodes: int, names: Sequence[str], loads: Sequence[float]) -> Report:
    """Runs every mechanism under every load; only what fifo takes is promised."""
    figures = []
    for load in loads:
        for name in names:
            summary = replay(name, n_jobs=n_jobs, nodes=nodes, load=load)
            waited = summary["average_queue_s"]
            figures.append(
                Figure(
                    what=f"{name}, load {load}: {waited:,.0f} s in the queue on average,"
                    f" {summary['preemptions']:,} preemptions",
                    value=summary["cpu_seconds"],
                    unit="CPU-s",
                    promise=PROMISED_SECONDS if name == "fifo" else None,
                    is_better="below",
                )
            )
    return Report(
        benchmark="trace_replay",
        figures=tuple(figures),
        facts={"jobs": f"{n_jobs:,}", "GPUs": f"{8 * nodes:,}"},
    )


def replay(name: str, *, n_jobs: int, nodes: int, load: float) -> dict[str, Any]:  # Any: JSON
    """Runs the scenario in a process of its own and returns its summary."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "swarm.scenarios.trace_replay", "--json"]
        for setting in (f"jobs={n_jobs}", f"nodes={nodes}", f"mechanism={name}", f"load={load}"):
            command += ["--set", setting]
        done = subprocess.run(
            [*command, "--out", str(Path(folder) / "run")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="CPU-seconds of a replay, by mechanism.")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=250)
    parser.add_argument("--mechanisms", default=",".join(mechanisms()))
    parser.add_argument("--loads", type=float, nargs="+", default=[0.9])
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""What a snapshot costs: seconds for many actors, and the share of a run of a research lab.

The lab really trains, in one process. By default it is the small one; ``--lab full_lab`` takes the
minutes that the promise speaks of.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from swarm.analysis.promises import Figure, Report, median
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.inline import InlineHost
from swarm.runtime.launch import Options
from swarm.runtime.snapshot_store import begin, complete, sizes
from swarm.runtime.snapshots import DeskFrame, Head
from swarm.scenarios import full_lab, gossip, two_researchers

LABS = {"full_lab": full_lab.lab, "two_researchers": two_researchers.lab}
PROMISED_ACTORS = 10_000
PROMISED_SECONDS = 1.0
PROMISED_PERCENT = 5.0
_ROUNDS = 5
_HEAD = Head(
    windows=0, now=0, end=0, messages=0, watched=[], pending=[], desk=DeskFrame(), journal_bytes=0
)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What snapshots cost.")
    parser.add_argument("--actors", type=int, default=PROMISED_ACTORS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--lab", choices=sorted(LABS), default="two_researchers")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="swarm-snapshots-") as folder:
        report = measure(arguments.actors, arguments.repeats, arguments.lab, Path(folder))
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(n_actors: int, repeats: int, lab: str, folder: Path) -> Report:
    """Takes snapshots of talking actors, and runs a lab."""
    taken, restored, n_bytes = _many(n_actors, repeats, folder / "many")
    summary = LABS[lab]().run(Options(out=folder / "lab", is_live=False)).summary
    percent = 100 * summary["cpu_seconds_in_snapshots"] / summary["cpu_seconds"]
    return Report(
        benchmark="snapshots",
        figures=(
            Figure(
                what=f"a snapshot of {n_actors:,} actors, median of {repeats}",
                value=taken,
                unit="s",
                promise=PROMISED_SECONDS if n_actors == PROMISED_ACTORS else None,
                is_better="below",
            ),
            Figure(what="to go on from it", value=restored, unit="s"),
            Figure(what="on the disk", value=n_bytes / n_actors, unit="bytes per actor"),
            Figure(
                what=f"of the CPU-seconds of {lab}",
                value=percent,
                unit="%",
                promise=PROMISED_PERCENT,
                is_better="below",
            ),
        ),
        facts={"snapshots": f"{summary['snapshots']} in {summary['cpu_seconds']:.0f} CPU-s"},
    )


def _many(n_actors: int, repeats: int, folder: Path) -> tuple[float, float, int]:
    """Returns seconds to write and to read a snapshot of gossiping actors, and its bytes."""
    lab = gossip.lab(rounds=repeats * _ROUNDS, **{"roles.gossiper": n_actors})
    blueprint = lab.build(Options())
    host = InlineHost(blueprint, folder=None)
    written: list[float] = []
    read: list[float] = []
    snapshot = folder
    for number in range(repeats):
        for tick in range(number * _ROUNDS, (number + 1) * _ROUNDS):
            host.run_window(tick + 1, {})
        partial = begin(folder, number)
        began = time.perf_counter()
        chunks = host.snapshot(partial)
        snapshot = complete(partial, msgspec.structs.replace(_HEAD, chunks=chunks))
        written.append(time.perf_counter() - began)
        read.append(_seconds_to_host(blueprint, snapshot) - _seconds_to_host(blueprint, None))
    return median(written), median(read), sum(sizes(snapshot, "*").values())


def _seconds_to_host(blueprint: Blueprint, start: Path | None) -> float:
    began = time.perf_counter()
    InlineHost(blueprint, folder=None, start=start)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())

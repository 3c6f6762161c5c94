"""Two Ray shards on two cores: messages per second, and the digest of the same run in one process.

Seconds are those spent in windows; what Ray takes to start is a figure of its own.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.gossip import run_gossip
from swarm.analysis.promises import Figure, Report, median

PROMISE_AT_SHARDS = 2


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Messages per second through Ray shards.")
    parser.add_argument("--actors", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--shards", type=int, default=PROMISE_AT_SHARDS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    report = measure(
        n_actors=arguments.actors,
        rounds=arguments.rounds,
        n_shards=arguments.shards,
        repeats=arguments.repeats,
    )
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(*, n_actors: int, rounds: int, n_shards: int, repeats: int) -> Report:
    """Runs on Ray several times and in one process once."""
    on_ray = ["--runtime", "ray", "--shards", str(n_shards)]
    runs = [run_gossip(n_actors, rounds, *on_ray) for _ in range(repeats)]
    inline = run_gossip(n_actors, rounds)
    rates = [one["messages"] / one["wall_seconds_in_windows"] for one in runs]
    same = all(_digests(one) == _digests(inline) for one in runs)
    return Report(
        benchmark="ray_shards",
        figures=(
            Figure(
                what=f"{n_shards} shards, log on, median of {repeats}",
                value=median(rates),
                unit="messages/s",
                promise=250_000 if n_shards == PROMISE_AT_SHARDS else None,
            ),
            Figure(what="the best of them", value=max(rates), unit="messages/s"),
            Figure(
                what="runs with the digests of one process",
                value=same * repeats,
                unit="runs",
                promise=repeats,
            ),
            Figure(
                what="outside windows (Ray starts, shards load, everything closes)",
                value=median([o["wall_seconds"] - o["wall_seconds_in_windows"] for o in runs]),
                unit="s",
            ),
        ),
        facts={"actors": f"{n_actors:,}", "messages": f"{runs[0]['messages']:,}"},
    )


def _digests(summary: dict[str, Any]) -> tuple[str, str]:
    return summary["digest_control"], summary["digest_payload"]


if __name__ == "__main__":
    sys.exit(main())

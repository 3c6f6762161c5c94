"""The big run against what was published and against closed forms, over seeds.

The runs are those of ``python -m swarm.scenarios.big_run``; only the one that is timed is a process
of its own. Ablations are paired: the same seed breaks the same nodes at the same instants.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chisquare

from swarm.analysis.promises import Figure, Report
from swarm.gpu.faults.preset import load_preset
from swarm.gpu.faults.presets.llama3_405b import COUNTS
from swarm.gpu.faults.presets.rsc1 import LARGE, SMALL
from swarm.scenarios.big_run import lab

SIZES = (256, 512, 1_024, 2_048)
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Multiples of the best checkpoint interval by formula."""
RATIO = "effective_training_time_ratio"

Summary = dict[str, Any]  # Any: JSON


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    report = measure(n_seeds=arguments.seeds, n_paired=arguments.paired)
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(*, n_seeds: int, n_paired: int) -> Report:
    """Runs everything and holds it against the promises.

    Args:
        n_seeds: Runs of the default lab, for counts and categories; at least 2.
        n_paired: Runs of every other set-up.
    """
    base = [run(seed) for seed in range(n_seeds)]
    paired = range(n_paired)
    return Report(
        benchmark="big_run",
        figures=(
            *_counts(base),
            *_scales(),
            *(_against_closed_form(nodes, paired) for nodes in SIZES),
            *_interval(base[0], paired),
            _lemons(paired),
            _without_devops(base[:n_paired]),
            _seconds(),
        ),
        facts={"seeds": str(n_seeds), "seeds of the others": str(n_paired)},
    )


def run(seed: int, **overrides: object) -> Summary:
    """Runs a lab and returns its summary; raises ``RuntimeError`` if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = lab(seed=seed, **overrides).run(out=Path(folder) / "run", is_live=False)
        if outcome.status != "ok":
            raise RuntimeError(str(outcome.error))
        return outcome.summary


def _counts(base: Sequence[Summary]) -> tuple[Figure, ...]:
    """Holds number and kinds of interruptions against those of Llama 3 405B."""
    published = sum(n for _, n in COUNTS)
    seen = [one["interruptions"] for one in base]
    error = statistics.stdev(seen) / math.sqrt(len(seen))
    by_category = [
        sum(one["interruptions_by_category"].get(name, 0) for one in base) for name, _ in COUNTS
    ]
    expected = np.array([n for _, n in COUNTS]) / published * sum(by_category)
    return (
        Figure(
            what=f"interruptions in 54 days, mean of {len(seen)} (published: {published})",
            value=statistics.mean(seen),
            unit=f"+- {error:.1f}",
        ),
        Figure(
            what="its distance from the published number",
            value=abs(statistics.mean(seen) - published) / error,
            unit="standard errors",
            promise=2,
            is_better="below",
        ),
        Figure(
            what=f"categories of {sum(by_category):,} interruptions, chi-square",
            value=float(chisquare(by_category, expected).pvalue),
            unit="p",
            promise=0.01,
        ),
    )


def _scales() -> tuple[Figure, ...]:
    """Holds failures of small and large jobs on RSC-1 against those published."""
    sound = {"preset": "rsc1", "faults.lemon_share_of_nodes": 0}
    small = run(0, **sound, nodes=1, small_jobs=[SMALL[0]] * 200)["small_jobs"][0]
    large = [run(seed, **sound, nodes=LARGE[0], small_jobs=[]) for seed in range(3)]
    hours = 54 * 24
    measured = (
        (SMALL, small["jobs"] * hours / small["interruptions"]),
        (LARGE, len(large) * hours / sum(one["interruptions"] for one in large)),
    )
    figures = [
        Figure(
            what=f"rsc1, mean hours to failure on {nodes} nodes (published: {published:.1f}),"
            f" off by",
            value=abs(came / published - 1),
            unit=f"of it, came {came:.1f}",
            promise=0.2,
            is_better="below",
        )
        for (nodes, published), came in measured
    ]
    per_node_day = load_preset("rsc1").per_node_day
    alone = Figure(
        what="the same by hardware alone, on 1,024 GPUs", value=24 / per_node_day / 128, unit="h"
    )
    return (*figures, alone)


def _against_closed_form(nodes: int, seeds: Sequence[int]) -> Figure:
    runs = [run(seed, nodes=nodes) for seed in seeds]
    came = statistics.mean(one[RATIO] for one in runs)
    expected = runs[0][f"{RATIO}_expected"]
    return Figure(
        what=f"effective training time on {nodes:,} nodes {came:.4f}, closed form"
        f" {expected:.4f}, off by",
        value=abs(came / expected - 1),
        unit="of it",
        promise=0.05,
        is_better="below",
    )


def _interval(base: Summary, seeds: Sequence[int]) -> tuple[Figure, ...]:
    """Scans fixed checkpoint intervals; a parabola in the logarithm gives the optimum."""
    best = base["checkpoint_interval_best_s"]
    came = [
        statistics.mean(
            run(seed, checkpoint_interval_s=round(factor * best))[RATIO] for seed in seeds
        )
        for factor in FACTORS
    ]
    around = [i for i, factor in enumerate(FACTORS) if 0.5 <= factor <= 2.0]
    fit = np.polyfit(np.log([FACTORS[i] for i in around]), [came[i] for i in around], 2)
    shift = float(np.exp(-fit[1] / (2 * fit[0])))
    listed = ", ".join(f"{f:g}: {r:.4f}" for f, r in zip(FACTORS, came, strict=True))
    return (
        Figure(
            what=f"best of the intervals at these multiples of the formula's ({listed})",
            value=FACTORS[came.index(max(came))],
            unit="times the formula's",
        ),
        Figure(
            what=f"optimum of the interval against the formula's ({best} s)",
            value=shift,
            unit="times",
            promise=1.25,
            is_better="below",
        ),
        Figure(what="the same", value=shift, unit="times", promise=0.8),
    )


def _lemons(seeds: Sequence[int]) -> Figure:
    kept, evicted = (
        sum(run(s, preset="rsc1", lemon_eviction=switch)["interruptions"] for s in seeds)
        for switch in ("off", "on")
    )
    return Figure(
        what=f"rsc1, eviction of lemons: {kept / len(seeds):.0f} interruptions become"
        f" {evicted / len(seeds):.0f}, less by",
        value=1 - evicted / kept,
        unit="of them",
        promise=0.5,
    )


def _without_devops(base: Sequence[Summary]) -> Figure:
    without = [run(seed, devops="off")[RATIO] for seed in range(len(base))]
    came = [one[RATIO] - off for one, off in zip(base, without, strict=True)]
    return Figure(
        what=f"effective training time without devops {statistics.mean(without):.4f}; with them"
        " more by at least",
        value=min(came),
        unit="",
        promise=0.1,
    )


def _seconds() -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "swarm.scenarios.big_run", "--json"]
        began = time.perf_counter()
        subprocess.run(
            [*command, "--out", str(Path(folder) / "run")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        seconds = time.perf_counter() - began
    return Figure(
        what="the default run, from the command to its end",
        value=seconds,
        unit="s",
        promise=60,
        is_better="below",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Interruptions, effective time, ablations.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--paired", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Whether a run's gains are real: both recipes again, outside the lab, on seeds that nobody used.

Generation 0 and the final recipe of a run are trained on fresh seeds and scored on the audit shard.
The ledger says what the lab believed: the gains of the swaps that stood until the end, one after
the other on the ship of their time, so that they add up. Belief and rerun agree where their
intervals overlap.
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

import swarm
from swarm.analysis.promises import Figure, Report
from swarm.analysis.run import Run
from swarm.comms.messages import ship
from swarm.errors import RunFailedError, SwarmError, UsageError
from swarm.kernel.rng import Stream
from swarm.pipeline.disciplines import DISCIPLINES
from swarm.pipeline.evaluation.run import evaluate
from swarm.pipeline.evaluation.spec import Evaluate, Evaluated
from swarm.pipeline.pretraining.run import train
from swarm.pipeline.pretraining.spec import Trained
from swarm.pipeline.recipe import train_spec
from swarm.pipeline.student import quantile
from swarm.pipeline.workbench import Workbench
from swarm.units import Flops

AUDIT_BLOCKS = 512
TAIL = 0.01
"""One-sided; an interval holds the truth with probability .98, like the gate's over all looks."""


class Interval(NamedTuple):
    """A gain in bits per byte, positive is better."""

    gain: float
    low: float
    high: float

    def overlaps(self, other: "Interval") -> bool:
        """Whether both could be the same gain."""
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        return f"{self.gain:.3f} [{self.low:.3f}, {self.high:.3f}]"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Reruns generation 0 and the final recipe.")
    parser.add_argument("run", type=Path, nargs="?", help="a run folder; by default the newest")
    parser.add_argument("--seeds", type=int, default=5, help="fresh seeds an arm, at least 2")
    parser.add_argument("--corpus-dir", type=Path, default=Path(".cache/corpus"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    try:
        if arguments.seeds < 2:
            raise UsageError(what=f"--seeds must be at least 2, came {arguments.seeds}")
        path = arguments.run or newest(Path("runs"))
        if path is None:
            report = Report(benchmark="gains", skipped="no finished lab is under runs/")
        else:
            run = swarm.load_run(path)
            report = measure(run, n_seeds=arguments.seeds, corpus_dir=arguments.corpus_dir)
    except SwarmError as wrong:
        sys.stderr.write(f"error: {wrong}\n")
        return 2 if isinstance(wrong, UsageError) else 1
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(run: Run, *, n_seeds: int, corpus_dir: Path) -> Report:
    """Trains and scores both recipes and compares with the ledger.

    Raises:
        UsageError: If the run never announced a ship.
        RunFailedError: If a job fails.
    """
    ships = announced(run)
    believed = ledger_gain(run)
    with tempfile.TemporaryDirectory() as artifacts:
        bench = Workbench(corpus_dir=corpus_dir.absolute(), artifacts_dir=Path(artifacts))
        seeds = Stream(seed=int(run.manifest["seed"]), owner="gains", name="seeds")
        before, after = (
            [rerun(run, dict(parts), seeds.integer(2**31), bench) for _ in range(n_seeds)]
            for parts in (ships[0].parts, ships[-1].parts)
        )
    found = welch(before, after)
    error = math.sqrt((statistics.variance(before) + statistics.variance(after)) / n_seeds)
    sealed = statistics.mean(ships[0].base_bpb) - statistics.mean(ships[-1].base_bpb)
    unit = "bits per byte"
    return Report(
        benchmark="gains",
        figures=(
            Figure(what="generation 0, audit shard", value=statistics.mean(before), unit=unit),
            Figure(what="final recipe, audit shard", value=statistics.mean(after), unit=unit),
            Figure(what="gain, in standard errors", value=found.gain / error, unit="", promise=4.0),
            Figure(what="gain of the ship's own base arms, sealed shard", value=sealed, unit=unit),
            Figure(
                what="the ledger agrees with the rerun (1 is yes)",
                value=int(found.overlaps(believed)),
                unit="",
                promise=1,
            ),
        ),
        facts={
            "run": str(run.path),
            "rerun": str(found),
            "ledger": str(believed),
            "seeds": f"{n_seeds} an arm",
        },
    )


def announced(run: Run) -> list[ship.Announced]:
    """Returns the ships that a run announced, in order."""
    rows = run.sql("select payload from told where kind = 'ship.announced' order by seq")
    if not len(rows):
        raise UsageError(what=f"{run.path} announced no ship; name a run of full_lab")
    return [msgspec.json.decode(text, type=ship.Announced) for text in rows["payload"]]


def ledger_gain(run: Run) -> Interval:
    """Adds up the swaps that stood until the end; bounds add up to an interval that is wide."""
    standing: list[tuple[str, str, Interval]] = []
    for row in run.parts.iter_rows(named=True):
        if DISCIPLINES[row["part"]].benchmark != "bpb":
            continue  # its gain is in another unit
        if row["event"] == "swap":
            gain = Interval(row["gain_bpb"], row["gain_low_bpb"], row["gain_high_bpb"])
            standing.append((row["part"], row["new_hash"], gain))
            continue
        undone = next(s for s in reversed(standing) if s[:2] == (row["part"], row["old_hash"]))
        standing.remove(undone)
    gains = [gain for _, _, gain in standing]
    return Interval(*(sum(column) for column in zip(*gains, strict=True))) if gains else _NOTHING


_NOTHING = Interval(0.0, 0.0, 0.0)


def rerun(run: Run, parts: Mapping[str, str], seed: int, bench: Workbench) -> float:
    """Trains a recipe on one seed; returns its bits per byte on the audit shard."""
    config = run.manifest["config"]
    flops = Flops(config["work"]["trial_flops"])
    spec = train_spec(parts, corpus=config["corpus_hash"], flops=flops, seed=seed)
    model = train(spec, bench)
    if not isinstance(model, Trained):
        raise RunFailedError(what=f"training on seed {seed} failed: {model.reason}")
    # One seed for all: everybody is scored on the same blocks.
    blocks = Stream(seed=int(run.manifest["seed"]), owner="gains", name="blocks").integer(2**31)
    score = evaluate(
        Evaluate(
            corpus=spec.corpus,
            artifact=model.artifact,
            split="audit",
            seed=blocks,
            n_blocks=AUDIT_BLOCKS,
        ),
        bench,
    )
    if not isinstance(score, Evaluated):
        raise RunFailedError(what=f"scoring seed {seed} failed: {score.reason}")
    sys.stderr.write(f"seed {seed}: {score.bpb:.4f} bits per byte\n")
    return score.bpb


def welch(before: Sequence[float], after: Sequence[float]) -> Interval:
    """Returns the gain with its interval at ``TAIL`` on either side (Welch, Satterthwaite)."""
    gain = statistics.mean(before) - statistics.mean(after)
    parts = [statistics.variance(arm) / len(arm) for arm in (before, after)]
    squared = sum(parts)
    if squared == 0.0:
        return Interval(gain, gain, gain)
    n_free = [len(arm) - 1 for arm in (before, after)]
    weights = [(part / squared) ** 2 / n for part, n in zip(parts, n_free, strict=True)]
    reach = math.sqrt(squared) * quantile(TAIL, 1.0 / sum(weights))
    return Interval(gain, gain - reach, gain + reach)


def newest(folder: Path) -> Path | None:
    """Returns the latest finished lab under a folder, by its start; nothing if there is none."""
    found: list[tuple[str, str, Path]] = []
    for path in folder.glob("*/manifest.json"):
        manifest = json.loads(path.read_text())
        if manifest.get("status") == "ok" and "corpus_hash" in manifest.get("config", {}):
            found.append((manifest["started"], path.parent.name, path.parent))
    return max(found)[2] if found else None


if __name__ == "__main__":
    sys.exit(main())

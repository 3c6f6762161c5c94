"""Notes: what a mind gains by reading its notebook, on practice tasks and, if asked, in the lab.

On the tasks of ``swarm/minds/practice.py`` the policy that recalls by relevance is compared with
none, with any lines, and with the last ones, on the same tasks; a seed counts by its mean regret.
In the lab on surrogate fidelity the switch ``notes`` is turned, and what counts is the audit.
Nothing is promised: the figures are what they are.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from swarm.analysis.intervals import Interval, mean_interval
from swarm.analysis.promises import Figure, Report
from swarm.comms.messages.mind import Practise
from swarm.minds.practice import SHOWN, TRIALS, Practice
from swarm.pipeline.harness.spec import NotebookPolicy, Recall
from swarm.pipeline.parts import canonical_json
from swarm.runtime.options import Options
from swarm.scenarios import full_lab

CONTROLS: tuple[Recall, ...] = ("none", "shuffled", "recent")


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    arguments = _parser().parse_args(argv)
    report = measure(
        n_seeds=arguments.seeds,
        n_tasks=arguments.tasks,
        budget_chars=arguments.budget,
        n_lab_seeds=arguments.lab_seeds,
        seed=arguments.seed,
    )
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(
    *, n_seeds: int, n_tasks: int, budget_chars: int, n_lab_seeds: int, seed: int
) -> Report:
    """Compares notes with the controls."""
    seeds = range(seed, seed + n_seeds)
    began = time.process_time()
    regrets = {
        recall: [practise(recall, budget_chars, seed=one, n_tasks=n_tasks) for one in seeds]
        for recall in ("relevant", *CONTROLS)
    }
    seconds = (time.process_time() - began) / (n_seeds * len(regrets))
    figures = [Figure(what="regret with notes", value=fmean(regrets["relevant"]), unit="regret")]
    for control in CONTROLS:
        pairs = zip(regrets[control], regrets["relevant"], strict=True)
        gain = mean_interval([other - ours for other, ours in pairs])
        figures += _figures(f"gained by notes over {control}", gain, "regret")
    figures.append(Figure(what="one practice", value=seconds, unit="CPU-s"))
    if n_lab_seeds:
        figures += _in_the_lab(range(seed, seed + n_lab_seeds))
    return Report(
        benchmark="notes",
        figures=tuple(figures),
        facts={
            "seeds": str(n_seeds),
            "tasks a seed": str(n_tasks),
            "trials a task": f"{TRIALS} of which a question shows {SHOWN}",
            "budget": f"{budget_chars} characters",
            "intervals": "95 %",
        },
    )


def practise(recall: Recall, budget_chars: int, *, seed: int, n_tasks: int) -> float:
    """Returns the mean regret that a policy leaves on the tasks of a seed."""
    policy = canonical_json(NotebookPolicy(recall=recall, budget_chars=budget_chars))
    return fmean(Practice().decide(Practise(policy=policy, seed=seed, n_tasks=n_tasks)).regrets)


def run_lab(notes: str, *, seed: int) -> tuple[float, float]:
    """Runs the full lab on surrogates; returns what the audit says it gained, in bpb and pass@1."""
    lab = full_lab.lab(seed=seed, fidelity="surrogate", notes=notes)
    with tempfile.TemporaryDirectory() as folder:
        outcome = lab.run(Options(out=Path(folder) / "run", is_live=False))
    if outcome.error is not None:
        raise outcome.error
    audit = outcome.summary["audit"]
    return audit["gain_bpb"], audit["gain_pass_1"]


def _in_the_lab(seeds: range) -> list[Figure]:
    gains = {
        notes: [run_lab(notes, seed=one) for one in seeds] for notes in ("on", "off", "shuffled")
    }
    figures = []
    for at, unit in enumerate(("bpb", "pass@1")):
        mean = fmean(one[at] for one in gains["on"])
        figures.append(Figure(what="lab, gain with notes", value=mean, unit=unit))
        for control in ("off", "shuffled"):
            pairs = zip(gains["on"], gains[control], strict=True)
            gain = mean_interval([ours[at] - other[at] for ours, other in pairs])
            figures += _figures(f"lab, gained by notes over {control}", gain, unit)
    return figures


def _figures(what: str, gain: Interval, unit: str) -> list[Figure]:
    figures = [Figure(what=what, value=gain.mean, unit=unit)]
    if gain.low is not None and gain.high is not None:
        figures += [
            Figure(what=f"{what}, at least", value=gain.low, unit=unit),
            Figure(what=f"{what}, at most", value=gain.high, unit=unit),
        ]
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Notes on, off and shuffled.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--budget", type=int, default=2_000, help="characters of notes")
    parser.add_argument("--lab-seeds", type=int, default=0, help="runs of the full lab a switch")
    parser.add_argument("--seed", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Practice against more imitation: six families, scarce demonstrations, equal nominal compute.

Every seed gets a start of its own: fresh weights, fine-tuned on 30 oracle examples of each of 18
environments (six families at difficulties 1 to 3). From there the same budget of reference steps
goes into more fine-tuning on the same examples, into GRPO, or into expert iteration. Both kinds of
practice replay oracle examples by one rule: 32 of the same examples in every update, each row
weighing as much as a practised one. Exams are on held-out prompts, the same for all.

The rates of each arm were chosen by hand from three pairs, on seed 0. Nothing is promised of GRPO;
which arm the promise is about was settled before other seeds were run.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from swarm.analysis.promises import Figure, Report
from swarm.errors import RunFailedError, SwarmError, UsageError
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.recipes import (
    EXPERT_ITERATION,
    GENERATION_0_RL,
    GRPO,
    EnvironmentSet,
    RewardRule,
    RlRecipe,
    SftRecipe,
    Weighted,
)
from swarm.pipeline.posttraining.run import post_train, solve
from swarm.pipeline.posttraining.spec import PostTrain, PostTrained, Solve, Solved
from swarm.pipeline.pretraining.spec import Architecture
from swarm.pipeline.workbench import Workbench

FAMILIES = (
    "close_brackets",
    "count_symbol",
    "largest",
    "modular_addition",
    "reverse",
    "sort_digits",
)
SPECS = tuple(
    EnvSpec(family=family, difficulty=difficulty) for family in FAMILIES for difficulty in (1, 2, 3)
)
ENVIRONMENTS = EnvironmentSet(environments=tuple(Weighted(spec=spec) for spec in SPECS))
ARCHITECTURE = Architecture(
    norm="rmsnorm",
    positions="rope",
    activation="relu2",
    qk_norm=True,
    zero_init=True,
    width=64,
    depth=3,
    heads=4,
    context=64,
)
SFT = SftRecipe(examples=30, rows=64, lr=0.02, adam_lr=0.005)
START_STEPS = 120
EXAM_SEED = 2_000_003


class Arm(NamedTuple):
    """What the budget is spent on after the start."""

    name: str
    sft: SftRecipe
    rl: RlRecipe


ARMS = (
    Arm("more fine-tuning", SFT, GENERATION_0_RL),
    Arm("GRPO", SFT, replace(GRPO, share=1.0, lr=0.008, adam_lr=0.002)),
    Arm("expert iteration", SFT, replace(EXPERT_ITERATION, share=1.0)),
)
PROMISED = ARMS[2].name


class Outcome(NamedTuple):
    """A model, examined."""

    artifact: str
    exam: Solved
    cpu_seconds: float
    steps: str


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="GRPO and expert iteration against fine-tuning.")
    parser.add_argument("--seeds", type=int, default=3, help="starts, at least 1")
    parser.add_argument("--steps", type=int, default=900, help="reference steps of each arm")
    parser.add_argument("--prompts", type=int, default=48, help="of each environment, in an exam")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    try:
        if arguments.seeds < 1:
            raise UsageError(what=f"--seeds must be at least 1, came {arguments.seeds}")
        report = measure(
            n_seeds=arguments.seeds, steps=arguments.steps, n_prompts=arguments.prompts
        )
    except SwarmError as wrong:
        sys.stderr.write(f"error: {wrong}\n")
        return 2 if isinstance(wrong, UsageError) else 1
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(*, n_seeds: int, steps: int, n_prompts: int) -> Report:
    """Trains and examines all arms on all seeds.

    Raises:
        UsageError: If the budget is too small for an arm.
        RunFailedError: If a job fails.
    """
    found: dict[str, list[Outcome]] = {"start": []}
    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench(corpus_dir=Path(folder), artifacts_dir=Path(folder) / "artifacts")
        for seed in range(n_seeds):
            start = _outcome(
                _job(SFT, GENERATION_0_RL, START_STEPS, seed), bench, n_prompts, "start"
            )
            found["start"].append(start)
            for arm in ARMS:
                job = replace(_job(arm.sft, arm.rl, steps, seed), artifact=start.artifact)
                found.setdefault(arm.name, []).append(_outcome(job, bench, n_prompts, arm.name))
    practised = _pass_1(found[PROMISED])
    margin = practised - _pass_1(found[ARMS[0].name])
    return Report(
        benchmark="rl",
        figures=(
            *(figure for name in found for figure in _figures(name, found[name])),
            Figure(what=PROMISED, value=practised, unit="pass@1", promise=0.4),
            Figure(what="above more fine-tuning by", value=margin, unit="pass@1", promise=0.1),
        ),
        facts={
            "seeds": str(n_seeds),
            "environments": str(len(SPECS)),
            "parameters": f"{ARCHITECTURE.n_params():,}",
            "budget of an arm": f"{steps} reference steps",
            **{arm.name: found[arm.name][0].steps for arm in ARMS},
        },
    )


def _job(sft: SftRecipe, rl: RlRecipe, steps: int, seed: int) -> PostTrain:
    return PostTrain(
        architecture=ARCHITECTURE,
        sft=sft,
        environments=ENVIRONMENTS,
        reward=RewardRule(),
        rl=rl,
        steps=steps,
        seed=seed,
    )


def _outcome(job: PostTrain, bench: Workbench, n_prompts: int, name: str) -> Outcome:
    if problem := job.problem():
        raise UsageError(what=f"{name}: {problem}")
    began = time.process_time()
    made = post_train(job, bench)
    cpu_seconds = time.process_time() - began
    if not isinstance(made, PostTrained):
        raise RunFailedError(what=f"{name} on seed {job.seed} failed: {made.reason}")
    exam = solve(
        Solve(artifact=made.artifact, environments=SPECS, n_prompts=n_prompts, seed=EXAM_SEED),
        bench,
    )
    if not isinstance(exam, Solved):
        raise RunFailedError(what=f"the exam of {name} on seed {job.seed} failed: {exam.reason}")
    sys.stderr.write(
        f"seed {job.seed}, {name}: pass@1 {exam.pass_1:.3f}, pass@8 {exam.pass_8:.3f},"
        f" {cpu_seconds:.0f} CPU-s\n"
    )
    steps = f"{made.rounds} rounds" if made.rounds else f"{made.sft_steps} steps"
    return Outcome(made.artifact, exam, cpu_seconds, steps)


def _figures(name: str, outcomes: Sequence[Outcome]) -> tuple[Figure, Figure, Figure]:
    seconds = statistics.mean(one.cpu_seconds for one in outcomes)
    pass_8 = statistics.mean(one.exam.pass_8 for one in outcomes)
    return (
        Figure(what=f"{name}, pass@1", value=_pass_1(outcomes), unit=""),
        Figure(what=f"{name}, pass@8", value=pass_8, unit=""),
        Figure(what=f"{name}, training", value=seconds, unit="CPU-s a seed"),
    )


def _pass_1(outcomes: Sequence[Outcome]) -> float:
    return statistics.mean(one.exam.pass_1 for one in outcomes)


if __name__ == "__main__":
    sys.exit(main())

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from swarm.comms.messages import work
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.recipes import EnvironmentSet, RlRecipe, Weighted
from swarm.pipeline.posttraining.spec import PostTrain, PostTrained, Solve, Solved
from swarm.pipeline.posttraining.surrogate import post_train, solve
from swarm.pipeline.pretraining.surrogate import Checkpoint
from swarm.pipeline.workbench import Workbench

Make = Callable[..., PostTrain]


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(corpus_dir=tmp_path, artifacts_dir=tmp_path / "artifacts")


def passed(spec: PostTrain, bench: Workbench) -> float:
    """Returns the pass@1 that a job's model reaches in the environments of its job."""
    made = post_train(spec, bench)
    assert isinstance(made, PostTrained), made
    exam = solve(Solve(artifact=made.artifact, environments=EXAM, n_prompts=200, seed=1), bench)
    assert isinstance(exam, Solved), exam
    return exam.pass_1


EXAM = (EnvSpec(family="copy", difficulty=1), EnvSpec(family="largest", difficulty=1))


def test_the_same_job_gives_the_same_answer(job: Make, bench: Workbench) -> None:
    assert post_train(job(), bench) == post_train(job(), bench)
    assert post_train(job(), bench) != post_train(job(seed=1), bench)


def test_what_helps_in_earnest_helps_here(
    job: Make, bench: Workbench, recipes: dict[str, RlRecipe]
) -> None:
    plain = job(steps=200)
    far = EnvironmentSet(environments=(Weighted(spec=EnvSpec(family="reverse", difficulty=1)),))
    worse = [
        replace(plain, steps=2),
        replace(plain, sft=replace(plain.sft, examples=1)),
        replace(plain, sft=replace(plain.sft, lr=0.0002)),
        replace(plain, environments=far),
    ]
    better = [job(algorithm=name, steps=2_000) for name in ("grpo", "expert_iteration")]

    at = passed(plain, bench)

    assert all(passed(one, bench) < at for one in worse)
    assert all(passed(one, bench) > at for one in better)


def test_a_hackable_verifier_pays_and_does_not_teach(job: Make, bench: Workbench) -> None:
    spec = job(algorithm="grpo", steps=2_000)
    weak = tuple(
        replace(one, spec=replace(one.spec, verifier="substring"))
        for one in spec.environments.environments
    )

    hacked = replace(spec, environments=EnvironmentSet(environments=weak))

    made = post_train(hacked, bench)
    assert isinstance(made, PostTrained)
    assert made.mean_reward > made.mean_exact + 0.1
    assert passed(hacked, bench) < passed(spec, bench)


def test_it_goes_on_from_a_surrogate_of_pre_training(job: Make, bench: Workbench) -> None:
    good, bad = (
        bench.put_artifact(msgspec.json.encode(Checkpoint(surrogate_bpb=bpb))) for bpb in (2, 4)
    )

    rates = [passed(job(artifact=artifact, steps=100), bench) for artifact in (good, bad)]

    assert rates[0] > rates[1]


def test_exams_of_one_seed_are_paired(job: Make, bench: Workbench) -> None:
    artifacts = [
        made.artifact
        for made in (post_train(job(seed=seed, steps=400), bench) for seed in (0, 1))
        if isinstance(made, PostTrained)
    ]

    exams = [
        solve(Solve(artifact=one, environments=EXAM, n_prompts=400, seed=seed), bench)
        for one in artifacts
        for seed in (5, 6)
    ]

    blocks = [exam.block_pass for exam in exams if isinstance(exam, Solved)]
    paired = sum((a - b) ** 2 for a, b in zip(blocks[0], blocks[2], strict=True))
    alone = sum((a - b) ** 2 for a, b in zip(blocks[0], blocks[3], strict=True))
    assert paired < alone


def test_failures_are_answers(job: Make, bench: Workbench) -> None:
    nowhere = "0" * 64
    wild = replace(job(), sft=replace(job().sft, lr=0.9))

    failed = [
        post_train(job(artifact=nowhere), bench),
        post_train(job(logged=nowhere), bench),
        post_train(job(steps=0), bench),
        post_train(wild, bench),
        post_train(job(artifact=bench.put_artifact(b"weights")), bench),
        solve(Solve(artifact=nowhere, environments=EXAM, seed=0), bench),
    ]

    kinds = [one.kind if isinstance(one, work.JobFailed) else "" for one in failed]
    assert kinds == ["missing", "missing", "invalid", "diverged", "invalid", "missing"]


@pytest.mark.slow
def test_it_needs_no_torch() -> None:
    code = "import sys, swarm.pipeline.posttraining.surrogate; print('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"

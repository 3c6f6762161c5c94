import math
from collections.abc import Callable

import msgspec
import pytest
import torch
from msgspec.structs import replace

from swarm.comms.messages import work
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.practice import DivergedError, Practice
from swarm.pipeline.posttraining.recipes import EnvironmentSet, Weighted
from swarm.pipeline.posttraining.run import post_train, solve
from swarm.pipeline.posttraining.spec import PostTrain, PostTrained, Solve, Solved
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.run import decode_checkpoint, encode_checkpoint, seeded
from swarm.pipeline.pretraining.spec import Architecture
from swarm.pipeline.workbench import Workbench

pytestmark = pytest.mark.torch

Make = Callable[..., PostTrain]
COPY = EnvSpec(family="copy", difficulty=1)
COMPARE = EnvSpec(family="compare", difficulty=1)
COUNT = EnvSpec(family="count_symbol", difficulty=1)


def outcome(spec: PostTrain, bench: Workbench) -> PostTrained:
    result = post_train(spec, bench)
    assert isinstance(result, PostTrained), result
    return result


def exam(
    artifact: str, bench: Workbench, *specs: EnvSpec, n_prompts: int = 8, seed: int = 0
) -> Solved:
    spec = Solve(artifact=artifact, environments=specs, n_prompts=n_prompts, seed=seed)
    result = solve(spec, bench)
    assert isinstance(result, Solved), result
    return result


@pytest.mark.parametrize("algorithm", ["none", "grpo", "expert_iteration"])
def test_the_same_job_gives_the_same_bits_whatever_the_state_of_torch(
    job: Make, bench: Workbench, algorithm: str
) -> None:
    spec = job(algorithm=algorithm, steps=2)
    torch.manual_seed(1)
    first = outcome(spec, bench)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()

    again = outcome(spec, bench)

    assert first == again
    assert torch.equal(torch.random.get_rng_state(), state)
    assert outcome(replace(spec, seed=1), bench).artifact != first.artifact


def test_a_job_says_what_it_did(job: Make, bench: Workbench) -> None:
    spec = job(algorithm="expert_iteration", steps=5)

    result = outcome(spec, bench)

    assert (result.sft_steps, result.rounds) == (spec.n_sft_steps, spec.n_rounds)
    assert result.rounds > 0 < result.sft_steps
    assert result.examples >= 16
    assert result.tokens_sampled >= result.rounds * 8 * 4
    assert result.tokens_trained > result.sft_steps * 16 * 10
    assert 0 < result.sft_loss < 9
    assert decode_checkpoint(bench.get_artifact(result.artifact)).shape == spec.architecture


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["grpo", "expert_iteration"])
def test_fine_tuning_and_practice_teach(
    job: Make, bench: Workbench, shape: Architecture, algorithm: str
) -> None:
    plain = job(
        environments=EnvironmentSet(environments=(Weighted(spec=COUNT),)),
        architecture=replace(shape, width=32),
        steps=10,
    )
    plain = replace(plain, sft=replace(plain.sft, examples=16))
    start = outcome(plain, bench)
    untaught = encode_checkpoint(Transformer(plain.architecture, seeded(0, "weights")))
    changes = {"share": 1.0, "prompts": 32, "group": 8, "replay": 0, "lr": 0.02, "adam_lr": 0.005}
    recipe = replace(job(algorithm=algorithm).rl, **changes, updates=6, rows=64)

    practised = outcome(replace(plain, artifact=start.artifact, rl=recipe, steps=60), bench)

    rates = [
        exam(artifact, bench, COUNT, n_prompts=64).pass_1
        for artifact in (bench.put_artifact(untaught), start.artifact, practised.artifact)
    ]
    assert rates[0] < 0.02 < rates[1] < rates[2] - 0.05
    assert practised.mean_exact == practised.mean_reward > 0


def test_rejected_and_logged_examples_are_read(job: Make, bench: Workbench) -> None:
    logged = bench.put_artifact(msgspec.json.encode({"question": "rate?", "answer": "0.02"}))
    plain = job(environments=EnvironmentSet(environments=(Weighted(spec=COMPARE),)), steps=8)
    all_sources = replace(plain.sft, oracle=1.0, rejected=1.0, logged=1.0, rejection_prompts=64)

    mixed = outcome(replace(plain, sft=all_sources, logged=logged), bench)

    # 8 of the oracle, 1 of the log, and what the half-taught model answered rightly.
    assert mixed.examples > 9
    assert mixed.tokens_sampled > 0
    assert outcome(plain, bench).examples == 8


def test_a_source_with_nothing_to_give_is_left_out(job: Make, bench: Workbench) -> None:
    plain = job()

    result = outcome(replace(plain, sft=replace(plain.sft, logged=0.5)), bench)

    assert result.artifact == outcome(plain, bench).artifact


def test_another_engine_is_another_way_to_the_same_model(job: Make, bench: Workbench) -> None:
    spec = job(algorithm="expert_iteration", steps=3)

    plain = outcome(spec, bench)
    cached = outcome(replace(spec, decoder=DecoderSpec(engine="cached")), bench)

    assert cached.rounds == plain.rounds
    assert cached.tokens_sampled == pytest.approx(plain.tokens_sampled, rel=0.05)


def test_what_a_specification_dooms_is_an_answer(job: Make, bench: Workbench) -> None:
    artifact = outcome(job(steps=2), bench).artifact
    other = replace(job().architecture, width=32)
    nowhere, nonsense = "0" * 64, bench.put_artifact(b"nonsense")
    hard = EnvironmentSet(environments=(Weighted(spec=EnvSpec(family="copy", difficulty=5)),))
    short = replace(job().architecture, context=16)

    failed = [
        post_train(job(artifact=nowhere), bench),
        post_train(job(logged=nowhere), bench),
        post_train(job(artifact=artifact, architecture=other), bench),
        post_train(job(artifact=nonsense), bench),
        post_train(job(logged=nonsense), bench),
        post_train(job(environments=hard, architecture=short), bench),
        post_train(job(steps=0), bench),
        solve(Solve(artifact=nowhere, environments=(COPY,), seed=0), bench),
        solve(Solve(artifact=nonsense, environments=(COPY,), seed=0), bench),
        solve(Solve(artifact=artifact, environments=(), seed=0), bench),
    ]

    kinds = [one.kind if isinstance(one, work.JobFailed) else "" for one in failed]
    assert kinds == ["missing"] * 2 + ["invalid"] * 5 + ["missing", "invalid", "invalid"]


def test_a_loss_that_is_no_number_is_a_job_that_diverged(job: Make, bench: Workbench) -> None:
    spec = job(steps=5)
    broken = Transformer(spec.architecture, seeded(0, "weights"))
    with torch.no_grad():
        broken.head_VW.fill_(math.inf)

    artifact = bench.put_artifact(encode_checkpoint(broken))
    failed = post_train(replace(spec, artifact=artifact), bench)

    assert isinstance(failed, work.JobFailed)
    assert (failed.kind, failed.step) == ("diverged", 20)


def test_exams_are_paired_by_their_seed(job: Make, bench: Workbench) -> None:
    environments = EnvironmentSet(environments=(Weighted(spec=COMPARE),))
    artifact = outcome(job(environments=environments, steps=8), bench).artifact

    first, again, other = (exam(artifact, bench, COMPARE, COPY, seed=seed) for seed in (1, 1, 2))

    assert first == again
    assert first.block_pass != other.block_pass
    assert (len(first.block_pass), len(first.cell_pass_1), first.n_prompts) == (8, 2, 16)
    assert 0 < first.pass_1 < first.pass_8


def test_what_a_model_cannot_read_it_has_not_solved(
    job: Make, bench: Workbench, shape: Architecture
) -> None:
    model = Transformer(replace(shape, context=16), seeded(0, "weights"))
    artifact = bench.put_artifact(encode_checkpoint(model))
    hard = EnvSpec(family="copy", difficulty=4)

    solved = solve(Solve(artifact=artifact, environments=(hard,), n_prompts=4, seed=0), bench)

    assert isinstance(solved, Solved)
    assert (solved.pass_1, solved.tokens_sampled, solved.n_prompts) == (0.0, 0, 4)


def test_weights_that_are_no_numbers_are_noticed_though_nothing_is_learned(job: Make) -> None:
    recipe = replace(job(algorithm="grpo").rl, share=1.0, replay=0)
    spec = job(rl=recipe, steps=1)
    broken = Transformer(spec.architecture, seeded(0, "weights"))
    with torch.no_grad():
        broken.embed_VW.fill_(math.nan)

    with pytest.raises(DivergedError):
        Practice(spec, broken, []).practise()

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.recipes import RlRecipe
from swarm.pipeline.posttraining.spec import PostTrain, Solve, mean_lengths
from swarm.pipeline.wire import codec

Make = Callable[..., PostTrain]
COPY = EnvSpec(family="copy", difficulty=1)


def test_jobs_survive_the_wire(job: Make) -> None:
    spec = job(algorithm="grpo")

    assert codec().decode(codec().encode(spec)) == spec


def test_recipes_cost_about_the_same_whatever_they_do(job: Make) -> None:
    costs = [job(algorithm=name, steps=400).cost() for name in ("none", "grpo", "expert_iteration")]

    assert max(costs) <= 1.02 * min(costs)


def test_no_recipe_can_ask_for_more_than_the_budget(job: Make) -> None:
    plain = job(steps=50)
    budget = 50 * 64 * 24 * plain.architecture.flops_per_token()
    sft = replace(plain.sft, rows=512, examples=32, rejected=1.0)

    costs = [plain.cost(), replace(plain, sft=sft).cost(), job(algorithm="grpo", steps=50).cost()]

    assert all(0 < cost <= budget for cost in costs)


def test_all_of_the_budget_can_be_practice_or_none_of_it(
    job: Make, recipes: dict[str, RlRecipe]
) -> None:
    practice = job(rl=replace(recipes["grpo"], share=1.0), steps=50)
    imitation = job(steps=50)

    assert (practice.n_sft_steps, imitation.n_rounds) == (0, 0)
    assert practice.n_rounds > 0 < imitation.n_sft_steps


def test_a_faster_decoder_pays_for_more_rounds(job: Make) -> None:
    slow = job(algorithm="grpo", steps=100, rollout_price=80.0)
    fast = job(algorithm="grpo", steps=100, rollout_price=2.0)

    assert fast.n_rounds > 2 * slow.n_rounds
    assert fast.n_rounds > 0


def test_rejection_sampling_is_paid_from_the_steps(job: Make) -> None:
    plain = job(steps=50)

    sampled = replace(plain, sft=replace(plain.sft, rejected=1.0))

    assert sampled.n_sft_steps < plain.n_sft_steps


def test_a_better_model_of_lengths_is_longer_for_harder_environments(job: Make) -> None:
    easy = job().environments
    harder = tuple(replace(one, spec=replace(one.spec, difficulty=3)) for one in easy.environments)
    hard = replace(easy, environments=harder)

    assert mean_lengths(hard) > mean_lengths(easy)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"steps": 0}, "budget"),
        ({"rollout_price": 0.0}, "price"),
        ({"rollout_price": float("nan")}, "price"),
        ({"decoder": DecoderSpec(engine="grouped", batch=0)}, "batch"),
    ],
    ids=str,
)
def test_jobs_that_make_no_sense_say_why_and_cost_nothing(
    job: Make, change: dict[str, object], word: str
) -> None:
    spec = replace(job(), **change)

    assert word in (spec.problem() or "")
    assert spec.cost() == 0


def test_a_budget_too_small_for_anything_is_a_problem(job: Make) -> None:
    spec = job(steps=1)

    spec = replace(spec, sft=replace(spec.sft, rows=512))

    assert "pay for no step" in (spec.problem() or "")


def test_an_exam_needs_environments_prompts_and_enough_answers() -> None:
    exam = Solve(artifact="a", environments=(COPY,), seed=0)

    problems = [
        replace(exam, **change).problem() or ""
        for change in ({"environments": ()}, {"n_prompts": 0}, {"n_samples": 7})
    ]

    assert ["environment" in problems[0], "prompt" in problems[1], "8" in problems[2]] == [True] * 3
    assert exam.problem() is None


def test_an_exam_costs_in_proportion_to_its_prompts() -> None:
    exam = Solve(artifact="a", environments=(COPY,), seed=0, n_prompts=10)

    assert replace(exam, n_prompts=20).cost() == pytest.approx(2 * exam.cost(), abs=1)
    assert replace(exam, environments=()).cost() == 0

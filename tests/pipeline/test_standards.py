import pytest
from msgspec.structs import replace

from swarm.kernel.message import ActorId
from swarm.pipeline import campaign
from swarm.pipeline.campaign import Means
from swarm.pipeline.evidence import Gate
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_FLOPS,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Train,
)
from swarm.pipeline.standards import Standards, fresh_specs, longest, price, problem
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks
from tests.ships import LATER_PARTS, checkpoint

MEANS = Means(
    broker=ActorId("gpu_broker-0"),
    treasury=ActorId("treasury-0"),
    evaluators=(ActorId("evaluator-0"),),
    bid_per_gpu_tick=Credits(5),
    max_price_per_score=Credits(100),
    bidding_window=Ticks(300),
    patience=Ticks(1_000),
    lease_patience=Ticks(50_000),
    scoring_seed=77,
)
STANDARDS = Standards(
    corpus="c",
    flops=GENERATION_0_FLOPS,
    max_params=99,
    gates={
        "bpb": Gate(stages=(4, 8), alphas=(0.001, 0.002)),
        "unsolved": Gate(stages=(4, 8), alphas=(0.001, 0.002)),
        "index": Gate(stages=(96,), alphas=(0.001,)),
    },
    post_steps=20,
    gpus=4,
    scoring=Ticks(0),
    ticks=lambda _: Ticks(5_000),
    means=MEANS,
)
PARTS = {
    **LATER_PARTS,
    "architecture": canonical_json(GENERATION_0_ARCHITECTURE),
    "checkpoint": checkpoint(artifact="old", recipe="r"),
    "mixture": canonical_json(GENERATION_0_MIXTURE),
    "optimizer": canonical_json(GENERATION_0_OPTIMIZER),
}
FASTER = canonical_json(replace(GENERATION_0_OPTIMIZER, lr=0.004))
WEIGHTS = checkpoint(artifact="new", recipe="r")


@pytest.mark.parametrize(("part", "value"), [("optimizer", FASTER), ("checkpoint", WEIGHTS)])
def test_a_sound_value_has_no_problem(part: str, value: str) -> None:
    assert problem(part, value, PARTS, STANDARDS) == ""


def test_another_text_of_the_current_value_is_no_change() -> None:
    spaced = PARTS["optimizer"].replace(",", ", ")

    assert problem("optimizer", spaced, PARTS, STANDARDS) == "the ship has this optimizer already"


def test_a_job_that_whole_steps_make_dearer_than_its_budget_is_no_fair_test() -> None:
    huge = replace(GENERATION_0_ARCHITECTURE, width=512, depth=16, heads=8, context=512)

    found = problem("architecture", canonical_json(huge), PARTS, STANDARDS)

    assert found.endswith("budgets, whole steps counted")


def test_a_test_costs_at_most_the_campaigns_of_all_its_looks() -> None:
    one_look = campaign.price([Ticks(5_000)] * 4, gpus=4, means=MEANS)

    assert price("optimizer", FASTER, PARTS, STANDARDS) == 2 * one_look


def test_a_checkpoint_costs_two_scores() -> None:
    assert price("checkpoint", WEIGHTS, PARTS, STANDARDS) == 200


def test_a_test_takes_at_most_its_leases_its_scores_and_the_waiting_for_both() -> None:
    leased, scored = 5_000 + 500 + 120, 300 + 1_000 + 600

    assert longest("checkpoint", WEIGHTS, PARTS, STANDARDS) == scored
    assert longest("optimizer", FASTER, PARTS, STANDARDS) == 2 * (50_000 + leased + scored)


def test_fresh_seeds_never_come_twice() -> None:
    ctx = FakeContext(me=ActorId("reviewer-0"))

    jobs = [
        *fresh_specs(ctx, "bpb", PARTS, STANDARDS, n=4),
        *fresh_specs(ctx, "bpb", PARTS, STANDARDS, n=4),
    ]

    assert len({job.seed for job in jobs}) == 8
    assert {job.max_params for job in jobs if isinstance(job, Train)} == {99}

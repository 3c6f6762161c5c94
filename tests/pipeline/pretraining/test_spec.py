import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from swarm.pipeline.evaluation.spec import Evaluate, Evaluated
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_FLOPS,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Architecture,
    Mixture,
    Optimizer,
    Schedule,
    Train,
    Trained,
)
from swarm.units import Flops

A, O = GENERATION_0_ARCHITECTURE, GENERATION_0_OPTIMIZER  # noqa: E741
JOB = Train(
    corpus="c" * 64,
    mixture=GENERATION_0_MIXTURE,
    architecture=A,
    optimizer=O,
    flops=GENERATION_0_FLOPS,
    seed=7,
)


def test_generation_0_makes_sense_and_spends_its_budget_to_one_step() -> None:
    step = O.batch_tokens * A.flops_per_token()

    assert JOB.problem() is None
    assert JOB.tokens == JOB.n_steps * O.batch_tokens
    assert abs(JOB.cost() - GENERATION_0_FLOPS) <= step / 2


@pytest.mark.parametrize("shape", [{"width": 96}, {"depth": 1}, {"width": 32, "depth": 4}])
def test_another_shape_costs_the_same_and_reads_other_tokens(shape: dict[str, int]) -> None:
    other = replace(JOB, architecture=replace(A, **shape))

    assert other.cost() == pytest.approx(JOB.cost(), rel=0.02)
    assert other.tokens != JOB.tokens


def test_flops_count_the_weights_and_the_keys_that_are_seen() -> None:
    weights = 2 * 12 * 64 * 64 + 256 * 64
    keys = sum(range(1, 65)) / 64

    assert A.flops_per_token() == int(6 * weights + 12 * 2 * 64 * keys)
    assert replace(A, attention="windowed", window=8).flops_per_token() < A.flops_per_token()
    assert replace(A, attention="grouped-query").flops_per_token() < A.flops_per_token()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"heads": 5}, "width 64 is not divisible by 5 heads"),
        ({"heads": 0}, "heads must be in"),
        ({"width": -64}, "width must be in"),
        ({"context": 100_000}, "context must be in"),
        ({"heads": 64, "positions": "rope"}, "even width per head"),
        ({"attention": "windowed", "window": 65}, "window must be in"),
        ({"attention": "grouped-query", "n_kv_heads": 3}, "not divisible by 3 key-value heads"),
    ],
)
def test_an_architecture_that_cannot_be_built_says_why(
    change: dict[str, object], reason: str
) -> None:
    job = replace(JOB, architecture=replace(A, **change))

    assert reason in (job.problem() or "")
    assert job.cost() == 0


@pytest.mark.parametrize(
    "weights",
    [(), (("code", 0.0),), (("code", -1.0),), (("code", 1.0), ("code", 1.0)), (("a", 1e999),)],
)
def test_a_mixture_that_cannot_be_read_says_why(weights: tuple[tuple[str, float], ...]) -> None:
    assert "mixture" in (Mixture(weights=weights).problem() or "")


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.0},
        {"lr": float("nan")},
        {"adam_lr": -1.0},
        {"weight_decay": -0.1},
        {"warmup": 1.0},
        {"batch_tokens": 0},
    ],
)
def test_an_optimizer_that_cannot_work_says_why(change: dict[str, float]) -> None:
    assert replace(O, **change).problem()


def test_a_budget_must_be_above_zero() -> None:
    assert "budget" in (replace(JOB, flops=Flops(0)).problem() or "")


@pytest.mark.parametrize(
    ("schedule", "at_half", "last"),
    [
        ("constant", 1.0, 1.0),
        ("linear", 0.556, 0.011),
        ("cosine", 0.587, 0.0003),
        ("wsd", 1, 0.028),
    ],
)
def test_a_rate_rises_then_follows_its_schedule(
    schedule: Schedule, at_half: float, last: float
) -> None:
    spec = replace(O, schedule=schedule, warmup=0.1)

    rates = [spec.rate(step, 100) for step in range(100)]

    assert rates[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert rates[10] == pytest.approx(1.0)
    assert rates[50] == pytest.approx(at_half, abs=0.001)
    assert rates[99] == pytest.approx(last, abs=0.001)


@given(
    st.sampled_from(("constant", "linear", "cosine", "wsd")),
    st.floats(0, 0.99),
    st.integers(1, 300),
)
def test_a_rate_is_a_share_above_zero_at_every_step(
    schedule: Schedule, warmup: float, n_steps: int
) -> None:
    spec = replace(O, schedule=schedule, warmup=warmup)

    assert all(0.0 < spec.rate(step, n_steps) <= 1.0 for step in range(n_steps))


def test_an_evaluation_costs_about_a_tenth_of_training() -> None:
    spec = Evaluate(corpus="c" * 64, artifact="a" * 64, split="sealed", seed=0)

    assert 0.02 < spec.cost() / JOB.cost() < 0.15


@pytest.mark.parametrize(
    "kind", [Mixture, Architecture, Optimizer, Train, Trained, Evaluate, Evaluated]
)
def test_a_spec_is_frozen_strict_documented_and_tagged_by_its_stage(
    kind: type[msgspec.Struct],
) -> None:
    config = kind.__struct_config__

    assert config.frozen
    assert config.forbid_unknown_fields
    assert kind.__doc__
    assert str(config.tag).split(".")[0] == kind.__module__.split(".")[-2]


def test_a_job_survives_the_wire() -> None:
    assert msgspec.json.decode(msgspec.json.encode(JOB), type=Train) == JOB


@pytest.mark.slow
def test_specs_and_workbench_load_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, swarm.pipeline.workbench, swarm.pipeline.evaluation.spec;"
        "print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"

import math
import subprocess
import sys
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from swarm.errors import InvariantError, UsageError
from swarm.pipeline.evidence import Gate, Verdict, judge, judge_paired, judge_regression

GATE = Gate()
losses = st.lists(st.floats(0.5, 8.0), min_size=0, max_size=40)


def sample(mean: float, sd: float, n: int, *, seed: int) -> list[float]:
    return [float(x) for x in np.random.default_rng(seed).normal(mean, sd, n)]


def sequence(
    base: Sequence[float], candidate: Sequence[float], gate: Gate, *, longer: int = 1
) -> Verdict:
    """Looks at each stage in turn, as a reviewer does, until the gate decides."""
    verdict = judge([], [], gate)
    while verdict.decision == "continue":
        n = verdict.n_next
        verdict = judge(base[: n * longer], candidate[:n], gate)
    return verdict


def accepted(*, gain: float, sd: float, trials: int, seed: int, longer: int = 1) -> float:
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(trials):
        base = rng.normal(3.0, sd, 32 * longer).tolist()
        candidate = rng.normal(3.0 - gain, sd, 32).tolist()
        hits += sequence(base, candidate, GATE, longer=longer).decision == "accept"
    return hits / trials


def test_welch_numbers_agree_with_scipy() -> None:
    base, candidate = sample(3.0, 0.05, 8, seed=1), sample(2.95, 0.02, 8, seed=2)

    verdict = judge(base, candidate, GATE)

    reference = stats.ttest_ind(base, candidate, equal_var=False, alternative="greater")
    interval = stats.ttest_ind(base, candidate, equal_var=False).confidence_interval(1 - 2 * 0.002)
    assert verdict.n == 8
    assert verdict.gain == pytest.approx(np.mean(base) - np.mean(candidate), abs=1e-6)
    assert verdict.p_value == pytest.approx(float(reference.pvalue), abs=1e-6)
    assert (verdict.ci_low, verdict.ci_high) == pytest.approx(tuple(interval), abs=1e-6)


def test_paired_numbers_agree_with_scipy() -> None:
    differences = sample(0.01, 0.05, 16, seed=3)

    verdict = judge_paired(differences, GATE)

    reference = stats.ttest_1samp(differences, 0.0, alternative="greater")
    assert verdict.p_value == pytest.approx(float(reference.pvalue), abs=1e-6)
    assert verdict.n == 16


def test_a_large_gain_is_accepted_at_the_first_look() -> None:
    verdict = judge(sample(3.5, 0.03, 4, seed=1), sample(3.0, 0.03, 4, seed=2), GATE)

    assert (verdict.decision, verdict.n, verdict.n_next) == ("accept", 4, 0)
    assert verdict.ci_low > 0.0
    assert verdict.reason.startswith("better than the base: p ")


def test_a_loss_is_rejected_for_futility_at_the_first_look() -> None:
    verdict = judge(sample(3.0, 0.03, 4, seed=1), sample(3.5, 0.03, 4, seed=2), GATE)

    assert (verdict.decision, verdict.n) == ("reject", 4)
    assert "a gain of 0.05 is implausible" in verdict.reason


def test_an_unclear_gain_asks_for_the_next_stage_and_ends_at_the_last() -> None:
    base, candidate = sample(3.03, 0.1, 32, seed=4), sample(3.0, 0.1, 32, seed=5)
    never = Gate(futility=0.0)

    decisions = [judge(base[:n], candidate[:n], never) for n in never.stages]

    assert [v.decision for v in decisions] == ["continue"] * 3 + ["reject"]
    assert [v.n_next for v in decisions] == [8, 16, 32, 0]


def test_before_the_first_look_nothing_is_estimated() -> None:
    verdict = judge([3.0, 3.1, 3.0], [2.0] * 9, GATE)

    assert (verdict.decision, verdict.n, verdict.n_next, verdict.gain) == ("continue", 0, 4, 0.0)
    assert verdict.reason == "3 measurements an arm, the first look needs 4"


def test_between_two_looks_further_results_change_nothing() -> None:
    base, candidate = sample(3.0, 0.05, 16, seed=6), sample(2.97, 0.05, 7, seed=7)

    verdicts = [judge(base, candidate[:n], GATE) for n in (4, 5, 6, 7)]

    assert verdicts == [verdicts[0]] * 4


def test_the_base_counts_up_to_twice_the_candidates_number() -> None:
    base, candidate = sample(3.0, 0.05, 32, seed=6), sample(2.97, 0.05, 8, seed=7)

    whole, twice, once = (judge(base[:n], candidate, GATE) for n in (32, 16, 8))

    assert whole == twice
    assert whole != once


def test_a_regression_is_the_same_test_with_the_arms_in_other_roles() -> None:
    worse, better = sample(3.3, 0.03, 8, seed=8), sample(3.0, 0.03, 8, seed=9)

    back, stay = judge_regression(worse, better, GATE), judge_regression(better, worse, GATE)

    assert (back.decision, stay.decision) == ("accept", "reject")
    assert back.gain == judge(worse, better, GATE).gain > 0.0
    assert back.reason.startswith("worse than its predecessor")


@pytest.mark.parametrize(
    ("base", "candidate", "decision", "p_value"),
    [(3.0, 2.9, "accept", 0.0), (3.0, 3.0, "reject", 1.0), (2.9, 3.0, "reject", 1.0)],
)
def test_arms_without_any_spread_are_decided_by_their_difference(
    base: float, candidate: float, decision: str, p_value: float
) -> None:
    verdict = judge([base] * 4, [candidate] * 4, GATE)

    assert (verdict.decision, verdict.p_value) == (decision, p_value)
    assert verdict.ci_low == verdict.ci_high == verdict.gain


def test_one_arm_without_spread_leaves_the_other_arms_degrees_of_freedom() -> None:
    base = sample(3.0, 0.05, 8, seed=1)

    verdict = judge(base, [2.95] * 8, GATE)

    reference = stats.ttest_1samp(base, 2.95, alternative="greater")
    assert verdict.p_value == pytest.approx(float(reference.pvalue), abs=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_loss_is_no_measurement(bad: float) -> None:
    with pytest.raises(InvariantError, match=r"expected finite measurements, came .* position 2"):
        judge([3.0] * 4, [3.0, 3.0, bad, 3.0], GATE)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Gate(stages=()),
        lambda: Gate(stages=(1, 2), alphas=(0.01, 0.01)),
        lambda: Gate(stages=(8, 4), alphas=(0.01, 0.01)),
        lambda: Gate(alphas=(0.01,)),
        lambda: Gate(alphas=(0.0, 0.1, 0.1, 0.1)),
        lambda: Gate(futility=0.5),
        lambda: Gate(min_effect=math.nan),
        lambda: Gate(base_per_candidate=0),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(make: Callable[[], Gate]) -> None:
    with pytest.raises(UsageError, match="gate"):
        make()


@given(losses, losses)
def test_interval_excludes_zero_exactly_when_accepted_and_verdicts_travel(
    base: list[float], candidate: list[float]
) -> None:
    verdict = judge(base, candidate, GATE)

    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
    assert verdict.ci_low <= verdict.gain <= verdict.ci_high
    assert (verdict.n_next == 0) == (verdict.decision != "continue")
    if verdict.decision == "accept":
        assert verdict.ci_low >= 0.0
    elif verdict.n:
        assert verdict.ci_low <= 1e-6


def test_what_roles_import_loads_neither_scipy_nor_torch() -> None:
    code = (
        "import sys, swarm.pipeline.evidence, swarm.pipeline.ship;"
        "sys.exit(any(m in sys.modules for m in ('scipy', 'torch', 'numpy', 'networkx')))"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False)

    assert done.returncode == 0


# FACTS.md, section 4: this gate accepted .006-.009 of no-ops, .94-1.00 of true .05 gains and
# .19-.60 of .02, at standard deviations between .027 and .048 bits per byte.


@pytest.mark.slow
@pytest.mark.parametrize("longer", [1, 2])
def test_at_most_one_no_op_in_a_hundred_is_accepted(longer: int) -> None:
    share = accepted(gain=0.0, sd=0.037, trials=2_000, seed=11, longer=longer)

    assert share <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gain", "sd", "low", "high"),
    [
        (0.05, 0.027, 0.95, 1.0),
        (0.05, 0.037, 0.94, 1.0),
        (0.05, 0.048, 0.86, 0.97),
        (0.02, 0.037, 0.15, 0.40),
        (0.10, 0.037, 0.99, 1.0),
    ],
)
def test_power_is_what_was_measured_before(gain: float, sd: float, low: float, high: float) -> None:
    share = accepted(gain=gain, sd=sd, trials=400, seed=12)

    assert low <= share <= high


@pytest.mark.slow
def test_the_last_interval_holds_the_true_gain_although_the_stop_was_chosen_by_the_data() -> None:
    rng = np.random.default_rng(13)
    held = 0
    for _ in range(500):
        base, candidate = rng.normal(3.0, 0.037, 32).tolist(), rng.normal(2.96, 0.037, 32).tolist()
        verdict = sequence(base, candidate, GATE)
        held += verdict.ci_low <= 0.04 <= verdict.ci_high

    assert held / 500 >= 0.97

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.gpu.diagnosis import HUMAN_ONLY, TABLE
from swarm.gpu.effective_time import (
    best_interval_s,
    expected_downtime_s,
    expected_ratio,
    renewal_ratio,
)
from swarm.gpu.faults.hazard import Hazard
from swarm.gpu.faults.preset import load_preset
from swarm.gpu.site import Site

SITE = Site()


def of(category: str) -> Hazard:
    return Hazard(per_node_day=0.004, shares=((category, 1.0),))


def test_the_published_example_comes_out() -> None:
    """12,000 GPUs, 5 minutes to recover and to save, 1 failure per 1,000 node-days: .898."""
    per_day = 1_500 / 1_000
    interval = best_interval_s(per_day=per_day, checkpoint_s=300)

    ratio = expected_ratio(per_day=per_day, downtime_s=300, interval_s=interval, checkpoint_s=300)

    assert ratio == pytest.approx(0.898, abs=0.001)


def test_the_exact_ratio_is_the_first_order_one_where_failures_are_rare() -> None:
    facts = {"per_day": 0.05, "downtime_s": 600.0, "interval_s": 4_000.0, "checkpoint_s": 10.0}

    assert renewal_ratio(**facts) == pytest.approx(expected_ratio(**facts), rel=1e-4)


def test_without_failures_only_saving_costs() -> None:
    facts = {"per_day": 0.0, "downtime_s": 600.0, "interval_s": 90.0, "checkpoint_s": 10.0}

    assert renewal_ratio(**facts) == expected_ratio(**facts) == pytest.approx(0.9)


@given(st.floats(0.01, 20), st.floats(1, 300), st.floats(0.2, 5).filter(lambda f: f != 1))
def test_no_interval_beats_the_formulas(per_day: float, save: float, factor: float) -> None:
    best = math.sqrt(2 * save * 86_400 / per_day)
    loss = {f: save / (f * best) + per_day / 86_400 * (f * best) / 2 for f in (1.0, factor)}

    assert loss[1.0] <= loss[factor]
    assert best_interval_s(per_day=per_day, checkpoint_s=save) == max(1, min(86_400, round(best)))


def test_a_run_that_never_fails_saves_once_a_day() -> None:
    assert best_interval_s(per_day=0, checkpoint_s=10) == 86_400


def test_downtime_of_a_named_node_is_notice_diagnosis_swap_and_start() -> None:
    downtime = expected_downtime_s(of("gpu_hbm3"), nodes=64, site=SITE, table=TABLE, latency_s=0)

    parts = (SITE.gather_s, SITE.diagnosis_s, SITE.swap_s, SITE.restart_s)
    assert downtime == pytest.approx(sum(parts))


def test_a_hang_of_the_job_waits_for_the_hang_rule() -> None:
    downtime = expected_downtime_s(
        of("nccl_watchdog"), nodes=64, site=SITE, table=TABLE, latency_s=0
    )

    parts = (SITE.hang_rule_s, SITE.gather_s, SITE.diagnosis_s, SITE.restart_s)
    assert downtime == pytest.approx(sum(parts))


def test_a_hidden_node_costs_a_second_attempt() -> None:
    once = expected_downtime_s(of("nccl_watchdog"), nodes=64, site=SITE, table=TABLE)

    twice = expected_downtime_s(of("hang_node"), nodes=64, site=SITE, table=TABLE)

    assert twice > 2 * once + SITE.sweep_s


def test_humans_alone_take_longer() -> None:
    hazard = load_preset("llama3_405b")

    devops, human = (
        expected_downtime_s(hazard, nodes=2_048, site=SITE, table=table)
        for table in (TABLE, HUMAN_ONLY)
    )

    assert human > 5 * devops

import math
from pathlib import Path

import pytest

from swarm.runtime.launch import Options
from swarm.scenarios import mm1_queue


@pytest.mark.slow
def test_the_engine_agrees_with_queueing_theory(tmp_path: Path) -> None:
    lab = mm1_queue.lab(seed=4, customers=2500)

    summary = lab.run(Options(out=tmp_path / "run", is_live=False)).summary

    assert summary["little_error"] < 0.02
    assert summary["wait_error"] < 0.05
    assert math.isclose(summary["wait_expected_ticks"], 1000.0)


def test_a_queue_that_was_cut_short_says_what_to_do(tmp_path: Path) -> None:
    lab = mm1_queue.lab(customers=50, until=10)

    outcome = lab.run(Options(out=tmp_path / "run", is_live=False))

    assert outcome.status == "failed"
    assert "raise --until" in str(outcome.error)

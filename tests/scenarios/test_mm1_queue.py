import math
from pathlib import Path

import pytest

from swarm.errors import UsageError
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


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"mean_service": 2000}, "mean_service must be less than mean_interval"),
        ({"roles.queue_server": 3}, "as many queue_server as queue_source.* came 3 and 20"),
        ({"roles": {}}, "at least 1 each, came 0 and 0"),
        ({"roles.poet": 1}, "role 'poet' is unknown"),
    ],
)
def test_a_queue_without_an_end_or_a_partner_is_refused(
    overrides: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        mm1_queue.lab(**overrides)

import pytest
from msgspec.structs import replace

from swarm.pipeline.harness.spec import GENERATION_0_NOTEBOOK, MAX_BUDGET


def test_generation_0_can_be_kept() -> None:
    assert GENERATION_0_NOTEBOOK.problem() is None


@pytest.mark.parametrize(("budget", "is_usable"), [(-1, False), (0, True), (MAX_BUDGET + 1, False)])
def test_a_budget_has_bounds(budget: int, *, is_usable: bool) -> None:
    problem = replace(GENERATION_0_NOTEBOOK, budget_chars=budget).problem()

    assert (problem is None) == is_usable

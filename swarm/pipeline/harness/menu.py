"""What a harness engineer would try around a notebook policy, one change at a time."""

from collections.abc import Iterator
from typing import get_args

from msgspec.structs import replace

from swarm.pipeline.harness.spec import NotebookPolicy, Recall

_PRIORS = {"none": 0.5, "recent": 1.0, "relevant": 4.0, "shuffled": 0.5}


def around(spec: NotebookPolicy) -> Iterator[tuple[str, NotebookPolicy, float]]:
    """Yields other ways to recall, and other budgets."""
    for recall in get_args(Recall):
        yield f"recall {recall}", replace(spec, recall=recall), _PRIORS[recall]
    for budget in (200, 500, 1_000, 2_000, 4_000):
        yield f"{budget} characters", replace(spec, budget_chars=budget), 2.0

"""Two researchers: the smallest lab that can swap a part; for tests and for reading its log."""

from pydantic import NonNegativeInt

from swarm.scenarios.assembly import research_lab
from swarm.scenarios.config import configure
from swarm.scenarios.entry import Front
from swarm.scenarios.lab import Lab
from swarm.scenarios.research_lab import (
    SINGLE,
    ExamConfig,
    GraphConfig,
    MoneyConfig,
    PoolConfig,
    ResearchLab,
    WorkConfig,
)

COUNTS = {
    "director": 1,
    "treasury": 1,
    "gpu_broker": 1,
    "integrator": 1,
    "evaluator": 1,
    "reviewer": 1,
    "devops": 1,
    "data_researcher": 1,
    "pretraining_researcher": 1,
}


class TwoResearchers(ResearchLab):
    """Defaults of the small lab."""

    roles: dict[str, NonNegativeInt] = COUNTS
    """Actors by role."""
    graph: GraphConfig = GraphConfig(topology="complete", params={})
    """Everybody knows everybody."""
    pool: PoolConfig = PoolConfig(nodes=1)
    """One machine."""
    work: WorkConfig = WorkConfig(
        trial_flops=4_000_000_000, checkpoint_flops=8_000_000_000, post_steps=4, practices=8
    )
    """Trainings of a few dozen steps."""
    exam: ExamConfig = ExamConfig(families=("copy", "compare"), prompts=8)
    """Two families."""
    money: MoneyConfig = MoneyConfig(
        budget=21,
        integrator_capital=18,
        trial_grant=0.5,
        grants_per_epoch=2,
        reviewer_price=3,
        light_review_price=0.5,
        review_budget=12,
    )
    """Enough for a swap or two."""


def lab(**overrides: object) -> Lab:
    """Builds the lab; keyword arguments are keys of ``TwoResearchers``."""
    return research_lab("two_researchers", configure(TwoResearchers, overrides))


if __name__ == "__main__":
    Front("two_researchers", lab=lab, counts=COUNTS, single=SINGLE).main()

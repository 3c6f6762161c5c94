"""The full lab: the front door.

Two hundred actors of nine roles negotiate for a GPU pool, train small transformers, replicate each
other's findings, and swap parts of the ship.
"""

from pydantic import NonNegativeInt

from swarm.scenarios.assembly import research_lab
from swarm.scenarios.config import configure
from swarm.scenarios.entry import Front
from swarm.scenarios.lab import Lab
from swarm.scenarios.research_lab import SINGLE, ResearchLab

COUNTS = {
    "director": 1,
    "treasury": 1,
    "gpu_broker": 1,
    "integrator": 1,
    "evaluator": 6,
    "reviewer": 50,
    "devops": 10,
    "data_researcher": 40,
    "pretraining_researcher": 90,
}


class FullLab(ResearchLab):
    """Defaults of the full lab."""

    roles: dict[str, NonNegativeInt] = COUNTS
    """Actors by role."""


def lab(**overrides: object) -> Lab:
    """Builds the lab; keyword arguments are keys of ``FullLab``, dotted where they are nested."""
    return research_lab("full_lab", configure(FullLab, overrides))


if __name__ == "__main__":
    Front("full_lab", lab=lab, counts=COUNTS, single=SINGLE, runtime="ray", shards=2).main()

"""The full lab: the front door.

Two hundred actors of fifteen roles negotiate for a GPU pool, pre-train and post-train small
transformers, build and audit environments, make decoding faster, replicate each other's findings,
and swap parts of the ship.
"""

from typing import Literal

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
    "reviewer": 44,
    "devops": 6,
    "data_researcher": 24,
    "pretraining_researcher": 50,
    "posttraining_researcher": 36,
    "env_builder": 12,
    "env_auditor": 6,
    "kernel_engineer": 8,
    "harness_engineer": 6,
    "human": 2,
}


PRESETS: dict[str, dict[str, object]] = {
    "long": {
        "money.budget": 1_100,
        "money.integrator_capital": 640,
        "money.review_budget": 760,
        "money.grants_per_epoch": 12,
        "until": 120 * 86_400,
    }
}
"""What a preset changes; ``--set`` still has the last word."""


class FullLab(ResearchLab):
    """Defaults of the full lab."""

    roles: dict[str, NonNegativeInt] = COUNTS
    """Actors by role."""
    preset: Literal["default", "long"] = "default"
    """``long`` has six times the money: about half an hour on two cores."""


def lab(**overrides: object) -> Lab:
    """Builds the lab; keyword arguments are keys of ``FullLab``, dotted where they are nested."""
    more = PRESETS.get(str(overrides.get("preset", "default")), {})
    return research_lab("full_lab", configure(FullLab, {**more, **overrides}))


if __name__ == "__main__":
    Front("full_lab", lab=lab, counts=COUNTS, single=SINGLE, runtime="ray", shards=2).main()

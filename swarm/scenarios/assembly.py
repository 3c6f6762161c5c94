"""From a research lab's config to a blueprint: corpus, graph, pool, roles and minds."""

from dataclasses import dataclass
from functools import partial

import msgspec

from swarm.comms.graph import build
from swarm.comms.messages import work
from swarm.comms.subcontract import Carrier, shortest_paths
from swarm.errors import UsageError
from swarm.gpu.cost import CostModel
from swarm.gpu.devices import device_type, uniform_cluster
from swarm.gpu.mechanism import mechanism
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId
from swarm.kernel.roster import Roster
from swarm.pipeline.pretraining.corpus import CorpusInfo, build_corpus
from swarm.pipeline.wire import codec
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Finish, Options, Perform, Result
from swarm.scenarios import outcome
from swarm.scenarios.gauges import WATCH, gauges
from swarm.scenarios.lab import Lab
from swarm.scenarios.research_lab import SERVICES, ResearchLab
from swarm.units import CREDIT, Credits, Ticks


def research_lab(name: str, config: ResearchLab) -> Lab:
    """Returns the lab of a config.

    Raises:
        UsageError: If there are too few actors of a role that the lab cannot do without.
    """
    for role in (*SERVICES, "reviewer", "devops"):
        if not config.roles.get(role):
            raise UsageError(what=f"--role {role}=0: this lab needs at least one {role}")
    for role in ("director", "treasury", "integrator"):
        if config.roles[role] != 1:
            raise UsageError(what=f"--role {role}={config.roles[role]}: a lab has one {role}")
    return Lab(
        config=config,
        build=partial(_blueprint, name, config),
        finish=partial(_finish, config),
        tell=outcome.tell,
    )

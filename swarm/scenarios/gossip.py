"""Gossip: the kernel's benchmark as a scenario.

Every actor starts one token of 200 bytes of words; a token is forwarded once per tick to a random
neighbour. ``--set rounds=N`` gives N times the number of actors messages.
"""

from functools import partial

from pydantic import Field, NonNegativeInt

from swarm.comms.graph import build
from swarm.comms.messages import work
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId
from swarm.kernel.roster import Roster
from swarm.roles.gossiper import Gossiper
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Options
from swarm.scenarios.config import Config, configure
from swarm.scenarios.entry import Front
from swarm.scenarios.lab import Lab
from swarm.units import Ticks

COUNTS = {"gossiper": 1000}


class Gossip(Config):
    """What a gossip run is."""

    roles: dict[str, NonNegativeInt] = COUNTS
    """Actors by role."""
    rounds: int = Field(default=100, ge=0)
    """Ticks during which tokens hop."""
    topology: str = "small_world"
    """Shape of the graph."""
    degree: int = Field(default=8, ge=2)
    """Neighbours per actor, where the shape has such a number."""
    log: bool = True
    """Whether messages are written to disk; digests are computed either way."""
    until: int | None = Field(default=None, gt=0)
    """Virtual seconds after which to stop; by default when no token hops any more."""


def lab(**overrides: object) -> Lab:
    """Builds the lab; keyword arguments are keys of ``Gossip``."""
    config = configure(Gossip, overrides)
    return Lab(config=config, build=partial(_blueprint, config))


def _blueprint(config: Gossip, _options: Options) -> Blueprint:
    n = sum(config.roles.values())
    params = {"degree": config.degree} if config.topology == "small_world" else {}
    graph = build(config.topology, n=n, seed=config.seed, latency=Ticks(1), params=params)
    return Blueprint(
        scenario="gossip",
        config=config.model_dump(mode="json"),
        seed=config.seed,
        roster=tuple(config.roles.items()),
        graph=graph,
        build_role=partial(_role, config.rounds),
        first=work.Start(),
        is_logged=config.log,
        until=config.until,
    )


def _role(rounds: int, _roster: Roster, _actor: ActorId) -> AnyRole:
    return Gossiper(rounds=rounds)


if __name__ == "__main__":
    Front("gossip", lab=lab, counts=COUNTS).main()

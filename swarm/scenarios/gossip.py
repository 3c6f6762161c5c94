"""Gossip: the kernel's benchmark as a scenario.

Every actor starts one token of 200 bytes of words; a token is forwarded once per tick to a random
neighbour. ``--set rounds=N`` gives N times the number of actors messages.
"""

from functools import partial
from typing import Self

from pydantic import Field, NonNegativeInt, model_validator

from swarm.comms.graph import build
from swarm.comms.messages import work
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId
from swarm.kernel.roster import Roster
from swarm.roles.gossiper import Gossiper
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Options
from swarm.scenarios.config import Config, configure, expect_roles
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
    """Neighbours per actor of a small world; short for ``params.degree``."""
    params: dict[str, int | float | str] = Field(default_factory=dict)
    """What the shape takes beyond the number of actors and the seed."""
    log: bool = True
    """Whether messages are written to disk; digests are computed either way."""
    until: int | None = Field(default=None, gt=0)
    """Virtual seconds after which to stop; by default when no token hops any more."""

    @model_validator(mode="after")
    def _expect_company(self) -> Self:
        expect_roles(self.roles, COUNTS)
        n = self.roles.get("gossiper", 0)
        if n < 2:
            raise ValueError(f"gossip needs at least 2 gossipers, came {n}; raise --actors")
        return self


def lab(**overrides: object) -> Lab:
    """Builds the lab; keyword arguments are keys of ``Gossip``."""
    config = configure(Gossip, overrides)
    return Lab(config=config, build=partial(_blueprint, config))


def _blueprint(config: Gossip, _options: Options) -> Blueprint:
    roster = Roster(config.roles.items())
    short = {"degree": config.degree} if config.topology == "small_world" else {}
    # Only an edge list asks for names, and a million of them take a while.
    is_named = config.topology == "edge_list"
    graph = build(
        config.topology,
        n=len(roster),
        seed=config.seed,
        latency=Ticks(1),
        params={**short, **config.params},
        names=[roster.name(rank) for rank in range(len(roster))] if is_named else (),
    )
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

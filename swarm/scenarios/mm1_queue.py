"""M/M/1: the engine against queueing theory.

Poisson arrivals, exponential service, one server each. Little's law must hold within 2 %, and the
mean waiting time must be within 5 % of ``rho / (mu - lambda)``.

Source: J. D. C. Little, "A proof for the queuing formula L = lambda W" (1961).
"""

from functools import partial
from typing import Self

from pydantic import Field, NonNegativeInt, model_validator
from rich.console import Console as Terminal

from swarm.comms.graph import build
from swarm.comms.messages import queueing, work
from swarm.errors import RunFailedError
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId
from swarm.kernel.roster import Roster
from swarm.roles.queue_server import QueueServer
from swarm.roles.queue_source import QueueSource
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Options, Outcome, Perform, Result
from swarm.scenarios.config import Config, configure, expect_roles
from swarm.scenarios.entry import Front
from swarm.scenarios.lab import Lab
from swarm.units import Ticks

COUNTS = {"queue_source": 20, "queue_server": 20}


class MM1(Config):
    """What is simulated."""

    roles: dict[str, NonNegativeInt] = COUNTS
    """Actors by role; as many servers as sources."""
    customers: int = Field(default=5_000, ge=1)
    """Customers of each queue."""
    mean_interval: int = Field(default=2_000, ge=10)
    """Mean ticks between arrivals."""
    mean_service: int = Field(default=1_000, ge=10)
    """Mean ticks of service; less than the interval, or the queue never ends."""
    until: int | None = Field(default=None, gt=0)
    """Virtual seconds after which to stop."""

    @model_validator(mode="after")
    def _expect_stable_pairs(self) -> Self:
        expect_roles(self.roles, COUNTS)
        sources, servers = (self.roles.get(role, 0) for role in COUNTS)
        if sources != servers or sources < 1:
            raise ValueError(
                "mm1_queue needs as many queue_server as queue_source actors, at least 1 each,"
                f" came {servers} and {sources}; give an even --actors, or both roles"
            )
        if self.mean_service >= self.mean_interval:
            raise ValueError(
                f"mean_service must be less than mean_interval, or the queue never ends, came"
                f" {self.mean_service} and {self.mean_interval}"
            )
        return self


def lab(**overrides: object) -> Lab:
    """Builds the lab; keyword arguments are keys of ``MM1``."""
    config = configure(MM1, overrides)
    return Lab(
        config=config,
        build=partial(_blueprint, config),
        finish=partial(_finish, config),
        tell=_tell,
    )


def _blueprint(config: MM1, _options: Options) -> Blueprint:
    n = sum(config.roles.values())
    return Blueprint(
        scenario="mm1_queue",
        config=config.model_dump(mode="json"),
        seed=config.seed,
        roster=tuple(config.roles.items()),
        graph=build("star", n=n, seed=config.seed, latency=Ticks(1)),
        build_role=partial(_role, config),
        first=work.Start(),
        services=("queue_server",),
        watch=("queueing.measured",),
        until=config.until,
    )


def _role(config: MM1, _roster: Roster, actor: ActorId) -> AnyRole:
    role, _, number = actor.rpartition("-")
    if role == "queue_server":
        return QueueServer(source=ActorId(f"queue_source-{number}"))
    return QueueSource(
        server=ActorId(f"queue_server-{number}"),
        customers=config.customers,
        mean_interval=config.mean_interval,
        mean_service=config.mean_service,
    )


def _finish(config: MM1, result: Result, _perform: Perform) -> dict[str, object]:
    figures = [m for _, m in result.watched if isinstance(m, queueing.Measured)]
    if not figures:
        raise RunFailedError(what="no queue was measured; raise --until or lower customers")
    customers = sum(one.customers for one in figures)
    elapsed = sum(one.elapsed for one in figures)
    in_system = sum(one.area for one in figures) / elapsed
    stay = sum(one.stayed for one in figures) / customers
    arrival_rate, service_rate = 1 / config.mean_interval, 1 / config.mean_service
    expected = (arrival_rate / service_rate) / (service_rate - arrival_rate)
    wait = sum(one.waited for one in figures) / customers
    return {
        "little_error": abs(in_system / (customers / elapsed * stay) - 1),
        "wait_ticks": wait,
        "wait_expected_ticks": expected,
        "wait_error": abs(wait / expected - 1),
    }


def _tell(outcome: Outcome, terminal: Terminal) -> None:
    facts = outcome.summary
    if "wait_ticks" in facts:
        terminal.print(
            f"waiting {facts['wait_ticks']:.1f} ticks, theory {facts['wait_expected_ticks']:.1f}"
            f" (off by {100 * facts['wait_error']:.1f} %); Little's law off by"
            f" {100 * facts['little_error']:.2f} %",
            highlight=False,
        )


if __name__ == "__main__":
    Front("mm1_queue", lab=lab, counts=COUNTS).main()

"""A blueprint: all that a host needs to know to run a lab, built by a scenario."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from swarm.comms.graph import CoordinationGraph
from swarm.comms.network import LabNetwork
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId, Message
from swarm.kernel.roster import Roster
from swarm.runtime.jobs import Fidelity

RoleFactory: TypeAlias = Callable[[Roster, ActorId], AnyRole]
"""Builds the role of an actor. Must survive pickling: a module-level function or a partial."""


class View(NamedTuple):
    """What a scenario shows a human of a run under way."""

    facts: dict[str, str]
    share_done: float | None = None
    """About how much of the whole is done, for an estimate of the end; above 0, at most 1."""


Gauges: TypeAlias = Callable[[Sequence[tuple[int, Message]]], View]
"""Makes a view from (due, message) pairs of the watched kinds. Must survive pickling."""


def no_gauges(_watched: Sequence[tuple[int, Message]]) -> View:
    """Shows nothing more."""
    return View({})


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """What runs, before anybody decides where."""

    scenario: str
    config: Mapping[str, object]
    """The scenario's config as JSON values, for the manifest."""
    seed: int
    roster: tuple[tuple[str, int], ...]
    """(role, count) pairs, in rank order."""
    graph: CoordinationGraph
    build_role: RoleFactory
    first: Message
    """Delivered to every actor at tick 0."""
    services: tuple[str, ...] = ()
    latency: int = 1
    """Ticks along a service edge."""
    lookahead: int = 1
    until: int | None = None
    """The instant at which the run ends if it has not come to rest; None for no limit."""
    minds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Mind names by role; the actor's number chooses among several."""
    person_deadline: float = 3_600.0
    """Wall seconds that a question to the mind ``human`` waits for a person."""
    watch: tuple[str, ...] = ()
    """Tags of messages that the console and the closing table want to see."""
    gauges: Gauges = no_gauges
    """What the console shows beside its own figures."""
    is_logged: bool = True
    stages: tuple[str, ...] = ()
    """Stages of the pipeline whose jobs will be ordered; workers import their code ahead."""
    fidelity: Fidelity = "real"
    """Whether jobs are carried out, or answered by formula."""

    def network(self, roster: Roster) -> LabNetwork:
        """Returns the kernel's view of the graph."""
        return LabNetwork(
            graph=self.graph, roster=roster, services=self.services, latency=self.latency
        )

    def mind_of(self, actor: ActorId) -> str:
        """Returns the name of the mind that answers an actor."""
        role, _, number = actor.rpartition("-")
        names = self.minds.get(role, ("rules",))
        return names[int(number) % len(names)]

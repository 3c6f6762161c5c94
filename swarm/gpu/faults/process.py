"""Processes of faults: each a Poisson process with a rate, the nodes it may meet, and categories.

They are superposed: sound nodes, what lemons fail more than those, storms, and the failures of jobs
that are not their nodes'.
"""

from collections.abc import Sequence
from typing import NamedTuple

from swarm.comms.messages.incident import NO_NODE
from swarm.gpu.faults.categories import CATEGORIES, JOB_SIDE
from swarm.gpu.faults.hazard import Hazard, JobFailures
from swarm.kernel.rng import Stream

STORM = "power_outage"
"""The category of a storm: what many nodes share is their power, and most survive its loss."""


class Drawn(NamedTuple):
    """One fault."""

    category: str
    node: int
    """``NO_NODE`` for a fault of a job."""
    signature: int
    """Index among those of the category."""


class Process(NamedTuple):
    """One process."""

    per_day: float
    nodes: Sequence[int]
    """Each equally likely; none for faults of a job."""
    shares: Sequence[tuple[str, float]]
    """(category, weight)."""

    def draw(self, stream: Stream) -> Drawn:
        """Returns what the next fault is; when it comes is drawn elsewhere."""
        category = self.shares[pick([weight for _, weight in self.shares], stream)][0]
        node = stream.choice(self.nodes) if self.nodes else NO_NODE
        weights = [one.weight for one in CATEGORIES[category].signatures]
        return Drawn(category, node, pick(weights, stream))


def sound_nodes(hazard: Hazard, n_nodes: int) -> Process:
    """Returns the faults that every node has, lemons too."""
    return Process(hazard.sound_per_node_day * n_nodes, range(n_nodes), hazard.shares)


def lemon_nodes(hazard: Hazard, lemons: Sequence[int]) -> Process:
    """Returns what lemons have on top; these are faults of the node alone."""
    more = hazard.lemon_per_node_day - hazard.sound_per_node_day
    at_node = [(name, w) for name, w in hazard.shares if CATEGORIES[name].place == "node"]
    return Process(more * len(lemons) if at_node else 0.0, lemons, at_node)


def storms(hazard: Hazard, n_nodes: int) -> Process:
    """Returns the storms; the node is the first of those that it meets."""
    return Process(hazard.storms_per_day, range(n_nodes), ((STORM, 1.0),))


def job_side(failures: JobFailures | None, nodes: int) -> Process:
    """Returns the failures of one job on that many nodes that are not its nodes'."""
    return Process(failures.per_day(nodes) if failures else 0.0, (), ((JOB_SIDE, 1.0),))


def pick(weights: Sequence[float], stream: Stream) -> int:
    """Returns an index, each as likely as its weight; the weights need not add up to 1."""
    at = stream.random() * sum(weights)
    for index, weight in enumerate(weights):
        at -= weight
        if at < 0:
            return index
    return max(index for index, weight in enumerate(weights) if weight)

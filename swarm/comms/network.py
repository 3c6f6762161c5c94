"""Who may tell whom: the graph between peers, and service edges to those who serve all.

With service edges an actor of a service role has an edge to everybody. Without them it is reached
through the graph alone, a hop at a time (see ``comms/subcontract.py``).
"""

from collections.abc import Sequence

from swarm.comms.graph import CoordinationGraph
from swarm.kernel.roster import Roster


class LabNetwork:
    """The kernel's ``Network`` over a graph and a set of service roles.

    Args:
        graph: Edges between peers, over all ranks.
        roster: Everybody in the run.
        services: Roles whose actors have an edge to all.
        latency: Ticks along a service edge.
    """

    def __init__(
        self,
        *,
        graph: CoordinationGraph,
        roster: Roster,
        services: Sequence[str],
        latency: int,
    ) -> None:
        self._graph = graph
        self._latency = latency
        self._served: list[range] = []
        first = 0
        for role, count in roster.counts:
            if role in services:
                self._served.append(range(first, first + count))
            first += count

    def peers(self, rank: int) -> Sequence[int]:
        """Ranks one edge away on the coordination graph, ascending."""
        return [int(peer) for peer in self._graph.neighbours(rank)]

    def latency(self, sender: int, recipient: int) -> int:
        """Ticks a message takes between two ranks; 0 where there is no edge of either sort."""
        along = int(self._graph.latency(sender, recipient))
        if sender == recipient or not any(
            sender in ranks or recipient in ranks for ranks in self._served
        ):
            return along
        return min(along, self._latency) if along else self._latency

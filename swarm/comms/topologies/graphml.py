"""GraphML: the coordination graph as a file for people's graph viewers."""

from collections.abc import Sequence
from pathlib import Path

import networkx as nx

from swarm.comms.graph import CoordinationGraph

MAX_NODES = 10_000


def write_graphml(graph: CoordinationGraph, names: Sequence[str], path: Path) -> bool:
    """Writes nodes labelled with their actor ids, and edges with their latency in ticks.

    Returns:
        False, and writes nothing, for more than 10,000 nodes: no viewer would draw them.
    """
    if len(graph) > MAX_NODES:
        return False
    drawn = nx.Graph()
    drawn.add_nodes_from((rank, {"label": name}) for rank, name in enumerate(names))
    drawn.add_weighted_edges_from(graph.edges().tolist(), weight="latency")
    nx.write_graphml(drawn, path)
    return True

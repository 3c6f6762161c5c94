"""Complete: everybody can tell everybody; what a small team is, and a baseline for the others."""

import networkx as nx
import numpy as np
import numpy.typing as npt

from swarm.errors import UsageError

MAX_NODES = 3_000
"""Four and a half million edges; nobody in an organisation of thousands talks to everybody."""


def complete(n: int, seed: int) -> nx.Graph:
    """Returns the complete graph; not random.

    Raises:
        UsageError: If n is above 3,000.
    """
    graph = nx.empty_graph(n)
    graph.add_edges_from(edges(n, seed).tolist())
    return graph


def edges(n: int, seed: int) -> npt.NDArray[np.int64]:
    """Returns the edges of ``complete`` as an array."""
    del seed
    if n > MAX_NODES:
        what = (
            f"a complete graph is for at most {MAX_NODES:,} actors, got {n:,};"
            " choose small_world or random_regular"
        )
        raise UsageError(what=what)
    return np.stack(np.triu_indices(n, 1), axis=1)

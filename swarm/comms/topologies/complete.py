"""Complete: everybody can tell everybody; what a small team is, and a baseline for the others."""

import networkx as nx

from swarm.errors import UsageError

MAX_NODES = 2_000
"""Two million edges; more would cost networkx gigabytes, and no organisation looks like this."""


def complete(n: int, seed: int) -> nx.Graph:
    """Returns the complete graph; not random.

    Raises:
        UsageError: If n is above 2,000.
    """
    del seed
    if n > MAX_NODES:
        what = (
            f"a complete graph is for at most {MAX_NODES:,} actors, got {n:,};"
            " choose small_world or random_regular"
        )
        raise UsageError(what=what)
    return nx.complete_graph(n)

"""Scale-free: newcomers attach to those whom many know already, so a few hubs know very many."""

import networkx as nx

from swarm.errors import UsageError
from swarm.kernel.rng import Stream


def scale_free(n: int, seed: int, *, attach: int = 3) -> nx.Graph:
    """Returns a graph by preferential attachment; connected by construction.

    Args:
        n: Actors.
        seed: Of the run.
        attach: Edges each newcomer brings, at least 1. Up to ``attach + 1`` actors all know each
            other.

    Raises:
        UsageError: If ``attach`` is below 1.

    Source:
        Barabasi and Albert, "Emergence of scaling in random networks", Science 286 (1999), as
        implemented in networkx.
    """
    if attach < 1:
        raise UsageError(what=f"attach of a scale-free graph must be at least 1, got {attach}")
    if n <= attach + 1:
        return nx.complete_graph(n)
    stream = Stream(seed=seed, owner="topology", name="scale_free")
    return nx.barabasi_albert_graph(n, attach, seed=stream.bits())

"""Random regular: everybody knows equally many, picked at random; nobody is central."""

import networkx as nx

from swarm.errors import UsageError
from swarm.kernel.rng import Stream


def random_regular(n: int, seed: int, *, degree: int = 4) -> nx.Graph:
    """Returns a connected graph in which every actor has the same number of neighbours.

    Args:
        n: Actors. Up to ``degree + 1`` actors all know each other.
        seed: Of the run.
        degree: Neighbours of each actor, at least 3; ``n * degree`` must be even.

    Raises:
        UsageError: If no connected graph of that degree is to be had.

    Source:
        Kim and Vu, "Generating random regular graphs" (2003), as implemented in networkx. A draw
        that is not connected, rare from degree 3 on, is drawn again.
    """
    if degree < 3:  # a random graph of degree 2 falls into rings, of degree 1 into pairs
        raise UsageError(what=f"degree of a random regular graph must be at least 3, got {degree}")
    if n <= degree + 1:
        return nx.complete_graph(n)
    if n * degree % 2:
        what = f"{n} actors cannot all have {degree} neighbours, an odd sum; change degree by one"
        raise UsageError(what=what)
    stream = Stream(seed=seed, owner="topology", name="random_regular")
    while True:
        graph = nx.random_regular_graph(degree, n, seed=stream.bits())
        if nx.is_connected(graph):
            return graph

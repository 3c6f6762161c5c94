"""Star: the first actor knows everybody, and nobody else knows each other."""

import networkx as nx


def star(n: int, seed: int) -> nx.Graph:
    """Returns the star with rank 0 at its centre; not random."""
    del seed
    return nx.star_graph(n - 1)

"""Org chart: a balanced hierarchy, in which everybody knows the boss and the direct reports."""

import networkx as nx

from swarm.errors import UsageError


def org_chart(n: int, seed: int, *, span: int = 6) -> nx.Graph:
    """Returns the tree in which rank r reports to rank (r - 1) // span; not random.

    Args:
        n: Actors; levels are filled from the top, so depth differs by at most one.
        seed: Unused.
        span: Direct reports of one actor, at least 1.

    Raises:
        UsageError: If ``span`` is below 1.
    """
    del seed
    if span < 1:
        raise UsageError(what=f"the span of an org chart must be at least 1, got {span}")
    return nx.full_rary_tree(span, n)

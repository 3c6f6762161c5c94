"""Small world: a ring of close colleagues, with a few acquaintances far away."""

from itertools import count

import networkx as nx
import numpy as np
import numpy.typing as npt

from swarm.comms.graph import from_edges
from swarm.errors import UsageError
from swarm.kernel.rng import Stream
from swarm.units import Ticks

_TRIES = 20
_PATIENCE = 50


def small_world(n: int, seed: int, *, degree: int = 8, rewired: float = 0.1) -> nx.Graph:
    """Returns a connected small world; for more than about 50,000 actors use ``edges``.

    Args:
        n: Actors. Up to ``degree + 1`` actors all know each other.
        seed: Of the run.
        degree: Mean number of neighbours, even, at least 2.
        rewired: Probability that an edge of the ring leads to anybody instead, 0 to 1.

    Raises:
        UsageError: If a parameter is out of range, or no draw of twenty was connected.

    Source:
        Watts and Strogatz, "Collective dynamics of 'small-world' networks", Nature 393 (1998).
        Deviation: all edges are rewired at once rather than one after the other. An edge that
        would double another, or lead to its own start, draws again; where its start has hardly a
        stranger left, after 50 draws it gets another start as well.
    """
    graph = nx.empty_graph(n)
    graph.add_edges_from(edges(n, seed, degree=degree, rewired=rewired).tolist())
    return graph


def edges(n: int, seed: int, *, degree: int = 8, rewired: float = 0.1) -> npt.NDArray[np.int64]:
    """Returns the edges of ``small_world`` as an array: a million actors take seconds."""
    if degree < 2 or degree % 2:
        raise UsageError(what=f"degree of a small world must be even and at least 2, got {degree}")
    if not 0.0 <= rewired <= 1.0:
        raise UsageError(what=f"rewired of a small world must be from 0 to 1, got {rewired}")
    if n <= degree + 1:
        return np.stack(np.triu_indices(n, 1), axis=1)
    starts = np.tile(np.arange(n), degree // 2)
    ends = (starts + np.repeat(np.arange(1, degree // 2 + 1), n)) % n
    stream = Stream(seed=seed, owner="topology", name="small_world")
    for _ in range(_TRIES):
        # Raw bits of PCG64: numpy promises them for ever, unlike those of its distributions.
        bits = np.random.PCG64(stream.bits())
        moving = _below(bits.random_raw(len(ends)), 1 << 32) < rewired * 2**32
        drawn = _rewired(n, np.stack((starts, ends), axis=1), np.flatnonzero(moving), bits)
        if from_edges(n, drawn, latency=Ticks(1)).is_connected():
            return drawn
    what = (
        f"no small world of {n:,} actors with degree {degree} and rewired {rewired} was connected"
        f" in {_TRIES} draws; raise degree or lower rewired"
    )
    raise UsageError(what=what)


def _rewired(
    n: int,
    drawn: npt.NDArray[np.int64],
    pending: npt.NDArray[np.int64],
    bits: np.random.PCG64,
) -> npt.NDArray[np.int64]:
    """Returns the edges with new ends for the pending rows, all different and none a loop."""
    kept = np.ones(len(drawn), dtype=np.bool_)
    kept[pending] = False
    settled = np.sort(_keys(n, drawn[kept]))
    for tries in count():
        if len(pending) == 0:
            break
        drawn[pending, 1] = _below(bits.random_raw(len(pending)), n)
        if tries >= _PATIENCE:
            drawn[pending, 0] = _below(bits.random_raw(len(pending)), n)
        keys = _keys(n, drawn[pending])
        is_good = drawn[pending, 0] != drawn[pending, 1]
        is_first = np.zeros(len(pending), dtype=np.bool_)
        is_first[np.unique(keys, return_index=True)[1]] = True
        is_good &= is_first & ~_contains(settled, keys)
        settled = np.sort(np.concatenate((settled, keys[is_good])))
        pending = pending[~is_good]
    return drawn


def _contains(
    ascending: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (
        np.append(ascending, -1)[np.searchsorted(ascending, keys)] == keys
    )
    return found


def _keys(n: int, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns one number per undirected edge."""
    low, high = np.minimum(pairs[:, 0], pairs[:, 1]), np.maximum(pairs[:, 0], pairs[:, 1])
    return low * n + high


def _below(raw: npt.NDArray[np.uint64], limit: int) -> npt.NDArray[np.int64]:
    """Returns integers in [0, limit) from 64 random bits each, for limits up to 2**32."""
    return ((raw >> np.uint64(32)) * np.uint64(limit) >> np.uint64(32)).astype(np.int64)

"""The coordination graph: who may tell whom, and how long a message takes.

While the lab runs the graph is three plain arrays in compressed sparse rows; networkx only helps to
draw it, in ``topologies/``, and is imported when a topology is. Service edges (to the broker, the
integrator and the like) are not in here: the kernel knows them by role.
"""

import importlib
import inspect
import pkgutil
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

import swarm.comms.topologies
from swarm.errors import UsageError
from swarm.units import Ticks

if TYPE_CHECKING:
    import networkx as nx

Ranks: TypeAlias = npt.NDArray[np.int32]
Edges: TypeAlias = npt.NDArray[np.int64]
"""One row per undirected edge: its two ranks, and in a third column, if any, its latency."""
Param: TypeAlias = int | float | str

NO_EDGE = Ticks(0)
"""The latency between two actors that no edge connects; that of an edge is at least 1."""
_ONE = Ticks(1)


class CoordinationGraph:
    """An undirected simple graph over ranks 0 to n - 1, immutable, shared by all who host actors.

    ``indices[indptr[a]:indptr[a + 1]]`` are the neighbours of ``a``, ascending; ``latencies`` is
    one number of ticks for all edges, or an array parallel to ``indices``.
    """

    __slots__ = ("_each", "_ends", "_starts", "_uniform", "indices", "indptr", "latencies")

    def __init__(
        self, indptr: npt.NDArray[np.int64], indices: Ranks, latencies: Ticks | Ranks
    ) -> None:
        self.indptr, self.indices, self.latencies = indptr, indices, latencies
        for array in (indptr, indices, latencies):
            if isinstance(array, np.ndarray):
                array.setflags(write=False)
        # Memory views: reading one element is several times cheaper than from an array, and every
        # message looks up its edge.
        self._starts, self._ends = indptr.data, indices.data
        self._uniform, self._each = NO_EDGE, None
        if isinstance(latencies, np.ndarray):
            self._each = latencies.data
        else:
            self._uniform = latencies

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the shape of a pickle is the pickler's affair
        """Pickle by arrays, which travel between hosts without a copy."""
        return CoordinationGraph, (self.indptr, self.indices, self.latencies)

    def __len__(self) -> int:
        """Returns the number of nodes."""
        return len(self.indptr) - 1

    @property
    def n_edges(self) -> int:
        """Undirected edges."""
        return len(self.indices) // 2

    def neighbours(self, rank: int) -> Ranks:
        """Returns the neighbours' ranks, ascending: a view, not a copy."""
        return self.indices[self._starts[rank] : self._starts[rank + 1]]

    def degree(self, rank: int) -> int:
        """Returns how many neighbours the node has."""
        return self._starts[rank + 1] - self._starts[rank]

    def latency(self, a: int, b: int) -> Ticks:
        """Returns the ticks from a to b, ``NO_EDGE`` if there is no edge; one message, one call."""
        stop = self._starts[a + 1]
        at = bisect_left(self._ends, b, self._starts[a], stop)
        if at == stop or self._ends[at] != b:
            return NO_EDGE
        return self._uniform if self._each is None else Ticks(self._each[at])

    def has_edge(self, a: int, b: int) -> bool:
        """Whether a message can go from a to b, and so from b to a."""
        return self.latency(a, b) != NO_EDGE

    def is_connected(self) -> bool:
        """Whether there is a way from every node to every other."""
        return len(self) > 0 and not self._components().any()

    def edges(self) -> Edges:
        """Returns every edge once, lower rank first, ascending; the third column is its latency."""
        tails = np.repeat(np.arange(len(self)), np.diff(self.indptr))
        once = tails < self.indices
        latencies = np.broadcast_to(self.latencies, self.indices.shape)
        return np.stack((tails[once], self.indices[once], latencies[once]), axis=1).astype(np.int64)

    def seated(self, seats: Sequence[int]) -> "CoordinationGraph":
        """Returns the same shape with node ``i`` at rank ``seats[i]``, a permutation of all."""
        edges = self.edges()
        edges[:, :2] = np.sort(np.asarray(seats, dtype=np.int64)[edges[:, :2]], axis=1)
        if self._each is None:
            return from_edges(len(self), edges[:, :2], latency=self._uniform)
        return from_edges(len(self), edges, latency=NO_EDGE)

    def expect_connected(self, names: Sequence[str] = ()) -> None:
        """Raises ``UsageError``, naming an actor of the smallest component, if not connected."""
        lowest, sizes = np.unique(self._components(), return_counts=True)
        if len(lowest) > 1:
            smallest = int(sizes.argmin())
            raise UsageError(
                what=f"the coordination graph has {len(lowest)} components, and"
                f" {_name(names, int(lowest[smallest]))} is in one of {sizes[smallest]} of"
                f" {len(self)} actors; add edges or choose another topology"
            )

    def expect_lookahead(self, lookahead: Ticks, names: Sequence[str] = ()) -> None:
        """Raises ``UsageError``, naming the edge, if a latency is below the lookahead."""
        if len(self.indices) == 0 or np.min(self.latencies) >= lookahead:
            return
        edges = self.edges()
        a, b, latency = (int(x) for x in edges[edges[:, 2].argmin()])
        raise UsageError(
            what=f"the edge {_name(names, a)} - {_name(names, b)} has latency {latency}, less than"
            f" the lookahead of {lookahead} ticks; raise the latency or lower the lookahead"
        )

    def _components(self) -> npt.NDArray[np.int64]:
        """Returns for each node the lowest rank of its component.

        Each round every edge hooks the label of one end onto the lower label of the other, and
        labels skip to their label's label; a few rounds suffice even for a ring of a million.

        Source: Shiloach and Vishkin, "An O(log n) parallel connectivity algorithm" (1982), in the
        simplified form of Zhang, Azad and Hu, "FastSV" (2020).
        """
        labels = np.arange(len(self))
        tails = np.repeat(labels, np.diff(self.indptr))
        while True:
            lower = labels.copy()
            reached = labels[self.indices]
            np.minimum.at(lower, tails, reached)
            np.minimum.at(lower, labels[tails], reached)
            lower = lower[lower]
            if np.array_equal(lower, labels):
                return labels
            labels = lower


def build(
    name: str,
    *,
    n: int,
    seed: int,
    latency: Ticks,
    lookahead: Ticks = _ONE,
    params: Mapping[str, Param] | None = None,
    names: Sequence[str] = (),
) -> CoordinationGraph:
    """Draws the topology of that name and checks it.

    Args:
        name: A file of ``comms/topologies``.
        n: Actors, at least 1.
        seed: Of the run; only random topologies use it.
        latency: Ticks of every edge that has none of its own.
        lookahead: The least latency that the run's windows allow.
        params: What the topology takes beyond n and seed.
        names: Actor ids by rank, for messages and for edge lists.

    Raises:
        UsageError: Unknown topology or parameter, a value out of range, latency below the
            lookahead, disconnected peers.
    """
    if n < 1:
        raise UsageError(what=f"a coordination graph needs at least 1 actor, got {n}")
    module = importlib.import_module(f"swarm.comms.topologies.{_expect_known(name)}")
    shape = getattr(module, name)
    given = _expect_params(name, shape, dict(params or {}))
    if "names" in inspect.signature(shape).parameters:
        given["names"] = names
    # A topology that has to reach a million nodes draws plain edges, and its networkx form is made
    # from them; the others exist as networkx graphs only.
    draw: Callable[..., Edges] | None = getattr(module, "edges", None)
    if draw is not None:
        graph = from_edges(n, draw(n, seed, **given), latency=latency)
    else:
        graph = from_networkx(shape(n, seed, **given), latency=latency)
    graph.expect_lookahead(lookahead, names)
    graph.expect_connected(names)
    return graph


def from_edges(n: int, edges: Edges, *, latency: Ticks) -> CoordinationGraph:
    """Returns the graph of edges that are all different, without self-loops, each given once.

    ``latency`` is in ticks and holds for all edges if there is no third column.
    """
    tails = np.concatenate((edges[:, 0], edges[:, 1]))
    heads = np.concatenate((edges[:, 1], edges[:, 0]))
    order = np.argsort(tails * n + heads)
    indptr = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(tails, minlength=n), out=indptr[1:])
    latencies: Ticks | Ranks = latency
    if edges.shape[1] == 3:
        latencies = np.tile(edges[:, 2], 2)[order].astype(np.int32)
    return CoordinationGraph(indptr, heads[order].astype(np.int32), latencies)


def from_networkx(graph: "nx.Graph", *, latency: Ticks) -> CoordinationGraph:
    """Returns the plain form of an ``nx.Graph`` over ranks 0 to n - 1.

    An edge attribute "latency" in ticks overrides ``latency``. The order in which nodes and edges
    were added does not matter.
    """
    n = graph.number_of_nodes()
    rows = [(a, b, ticks) for a, b, ticks in graph.edges(data="latency", default=int(latency))]
    edges = np.array(rows, dtype=np.int64).reshape(-1, 3)
    uniform = bool((edges[:, 2] == latency).all())
    return from_edges(n, edges[:, :2] if uniform else edges, latency=latency)


def topologies() -> list[str]:
    """Returns the names that ``build`` knows: modules with a function of their own name."""
    return [
        info.name
        for info in pkgutil.iter_modules(swarm.comms.topologies.__path__)
        if hasattr(
            importlib.import_module(f"{swarm.comms.topologies.__name__}.{info.name}"), info.name
        )
    ]


def _expect_known(name: str) -> str:
    known = topologies()
    if name not in known:
        raise UsageError(what=f"there is no topology {name!r}, known are {', '.join(known)}")
    return name


def _expect_params(
    name: str,
    shape: Callable[..., Any],
    params: dict[str, Param],  # Any: networkx is untyped
) -> dict[str, Any]:  # Any: and the actor ids join the parameters
    taken = {
        key: parameter
        for key, parameter in inspect.signature(shape).parameters.items()
        if key not in ("n", "seed", "names")
    }
    for key, value in params.items():
        if key not in taken:
            takes = ", ".join(taken) or "none"
            what = f"topology {name} has no parameter {key!r}, it takes {takes}"
            raise UsageError(what=what)
        wanted = taken[key].annotation
        fits = isinstance(value, int | float) if wanted is float else isinstance(value, wanted)
        if not fits or isinstance(value, bool):
            what = f"parameter {key!r} of topology {name} must be {wanted.__name__}, got {value!r}"
            raise UsageError(what=what)
    for key, parameter in taken.items():
        if parameter.default is parameter.empty and key not in params:
            raise UsageError(what=f"topology {name} needs the parameter {key!r}")
    return dict(params)


def _name(names: Sequence[str], rank: int) -> str:
    return names[rank] if names else f"rank {rank}"

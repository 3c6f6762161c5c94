import pickle
import subprocess
import sys
from random import Random

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.graph import NO_EDGE, CoordinationGraph, build, from_edges, from_networkx
from swarm.errors import UsageError
from swarm.units import Ticks

NAMES = ("director-0", "treasury-0", "reviewer-0", "reviewer-1", "reviewer-2")

pairs = st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda p: p[0] != p[1])
graphs = st.lists(pairs, max_size=25)


def drawn(edges: list[tuple[int, int]], *, n: int = 12) -> nx.Graph:
    graph = nx.empty_graph(n)
    graph.add_edges_from(edges)
    return graph


def path_of(n: int) -> CoordinationGraph:
    return from_networkx(nx.path_graph(n), latency=Ticks(4))


def test_neighbours_are_an_ascending_view_that_nobody_can_write() -> None:
    graph = from_networkx(drawn([(3, 9), (3, 0), (5, 3)]), latency=Ticks(4))

    neighbours = graph.neighbours(3)

    assert neighbours.tolist() == [0, 5, 9]
    assert (graph.degree(3), graph.degree(1), graph.n_edges, len(graph)) == (3, 0, 3, 12)
    assert np.shares_memory(neighbours, graph.indices)
    with pytest.raises(ValueError, match="read-only"):
        neighbours[0] = 1


def test_latency_is_the_common_one_unless_the_edge_has_its_own() -> None:
    shape = drawn([(0, 1), (1, 2)], n=4)
    shape.edges[1, 2]["latency"] = 9

    graph = from_networkx(shape, latency=Ticks(4))

    assert [graph.latency(0, 1), graph.latency(1, 0)] == [4, 4]
    assert [graph.latency(1, 2), graph.latency(2, 1)] == [9, 9]
    assert [graph.latency(0, 2), graph.latency(0, 0), graph.latency(3, 1)] == [NO_EDGE] * 3
    assert graph.edges().tolist() == [[0, 1, 4], [1, 2, 9]]


def test_equal_latencies_are_kept_as_one_number() -> None:
    assert path_of(3).latencies == 4


@given(graphs)
def test_plain_arrays_agree_with_networkx(edges: list[tuple[int, int]]) -> None:
    shape = drawn(edges)

    graph = from_networkx(shape, latency=Ticks(2))

    assert all(graph.has_edge(a, b) == shape.has_edge(a, b) for a in range(12) for b in range(12))
    assert graph.is_connected() == nx.is_connected(shape)
    assert graph.n_edges == shape.number_of_edges()
    if not graph.is_connected():
        parts = list(nx.connected_components(shape))
        with pytest.raises(
            UsageError, match=f"{len(parts)} components, .* in one of {min(map(len, parts))} of 12"
        ):
            graph.expect_connected()


@given(graphs, st.randoms(use_true_random=False))
def test_order_and_direction_in_which_edges_were_added_do_not_matter(
    edges: list[tuple[int, int]], shuffle: Random
) -> None:
    turned = [(b, a) for a, b in edges]
    shuffle.shuffle(turned)

    one, other = (from_networkx(drawn(e), latency=Ticks(1)) for e in (edges, turned))

    assert np.array_equal(one.indices, other.indices)
    assert np.array_equal(one.indptr, other.indptr)


def test_a_long_path_in_random_order_is_one_component() -> None:
    order = np.random.default_rng(1).permutation(3_000)

    graph = from_edges(3_000, np.stack((order[:-1], order[1:]), axis=1), latency=Ticks(1))

    assert graph.is_connected()


def test_a_graph_survives_pickling() -> None:
    shape = drawn([(0, 1), (1, 2)])
    shape.edges[0, 1]["latency"] = 7
    graph = from_networkx(shape, latency=Ticks(4))

    copy = pickle.loads(pickle.dumps(graph))

    assert copy.edges().tolist() == graph.edges().tolist()
    assert copy.latency(1, 0) == 7


def test_disconnected_peers_are_refused_with_an_actor_of_the_smallest_component() -> None:
    graph = from_networkx(drawn([(0, 1), (1, 2), (3, 4)], n=5), latency=Ticks(1))

    with pytest.raises(
        UsageError, match="2 components, and reviewer-1 is in one of 2 of 5 actors; add edges"
    ):
        graph.expect_connected(NAMES)


def test_a_latency_below_the_lookahead_is_refused_by_the_edges_name() -> None:
    shape = drawn([(0, 1), (1, 2)], n=5)
    shape.edges[1, 2]["latency"] = 2
    graph = from_networkx(shape, latency=Ticks(5))

    with pytest.raises(
        UsageError, match="edge treasury-0 - reviewer-0 has latency 2, less than the lookahead of 5"
    ):
        graph.expect_lookahead(Ticks(5), NAMES)
    graph.expect_lookahead(Ticks(2), NAMES)


def test_a_common_latency_below_the_lookahead_is_refused() -> None:
    with pytest.raises(UsageError, match="rank 0 - rank 1 has latency 2"):
        build("star", n=3, seed=0, latency=Ticks(2), lookahead=Ticks(3))


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("ring", {}, "there is no topology 'ring', known are complete, edge_list, org_chart"),
        ("graphml", {}, "there is no topology 'graphml'"),
        ("star", {"hub": 3}, "topology star has no parameter 'hub', it takes none"),
        ("small_world", {"k": 3}, "has no parameter 'k', it takes degree, rewired"),
        ("small_world", {"degree": "x"}, "'degree' of topology small_world must be int, got 'x'"),
        ("small_world", {"degree": 2.5}, "must be int, got 2.5"),
        ("edge_list", {}, "topology edge_list needs the parameter 'path'"),
        ("edge_list", {"names": "x"}, "has no parameter 'names', it takes path"),
    ],
)
def test_what_cannot_be_built_is_named(
    name: str, params: dict[str, int | float | str], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        build(name, n=5, seed=0, latency=Ticks(1), params=params)


@pytest.mark.parametrize("n", [0, -3])
def test_a_graph_of_nobody_is_refused(n: int) -> None:
    with pytest.raises(UsageError, match="needs at least 1 actor"):
        build("star", n=n, seed=0, latency=Ticks(1))


def test_a_whole_number_is_good_where_a_fraction_is_wanted() -> None:
    graph = build("small_world", n=20, seed=0, latency=Ticks(1), params={"rewired": 0})

    assert graph.neighbours(0).tolist() == [1, 2, 3, 4, 16, 17, 18, 19]


def test_importing_the_graph_does_not_import_networkx() -> None:
    code = "import sys, swarm.comms.graph; sys.exit('networkx' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], check=False)

    assert done.returncode == 0


def test_seating_keeps_the_shape_and_moves_the_nodes() -> None:
    line = from_edges(3, np.array([[0, 1, 5], [1, 2, 9]]), latency=Ticks(1))

    seated = line.seated([2, 0, 1])

    assert seated.edges().tolist() == [[0, 1, 9], [0, 2, 5]]
    assert [seated.latency(2, 0), seated.latency(0, 1), seated.latency(1, 2)] == [5, 9, 0]

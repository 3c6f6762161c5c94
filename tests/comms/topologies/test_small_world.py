import networkx as nx
import numpy as np
import pytest

from swarm.comms.graph import build
from swarm.comms.topologies.small_world import edges, small_world
from swarm.errors import UsageError
from swarm.units import Ticks


def test_without_rewiring_it_is_the_ring_of_watts_and_strogatz() -> None:
    ours = small_world(30, 1, degree=4, rewired=0.0)

    theirs = nx.watts_strogatz_graph(30, 4, 0.0)
    assert {frozenset(e) for e in ours.edges} == {frozenset(e) for e in theirs.edges}


@pytest.mark.parametrize("rewired", [0.05, 0.1, 0.5, 1.0])
def test_rewiring_keeps_every_edge_different_and_moves_the_share_asked_for(rewired: float) -> None:
    n, degree = 2_000, 8

    drawn = edges(n, 3, degree=degree, rewired=rewired)

    assert len({frozenset(e) for e in drawn.tolist()}) == n * degree // 2
    assert (drawn[:, 0] != drawn[:, 1]).all()
    distance = (drawn[:, 1] - drawn[:, 0]) % n
    moved = np.mean(np.minimum(distance, n - distance) > degree // 2)
    assert moved == pytest.approx(rewired, abs=0.03)


def test_clustering_and_path_length_are_those_of_networkx() -> None:
    ours, theirs = (
        make
        for make in (
            small_world(400, 1, degree=8, rewired=0.1),
            nx.connected_watts_strogatz_graph(400, 8, 0.1, seed=1),
        )
    )

    clustering = [nx.average_clustering(g) for g in (ours, theirs)]
    length = [nx.average_shortest_path_length(g) for g in (ours, theirs)]

    assert clustering[0] == pytest.approx(clustering[1], rel=0.1)
    assert length[0] == pytest.approx(length[1], rel=0.1)


@pytest.mark.parametrize("n", [10, 11, 12])
def test_a_world_hardly_larger_than_its_degree_can_be_rewired_wholly(n: int) -> None:
    graph = small_world(n, 1, degree=8, rewired=1.0)

    assert graph.number_of_edges() == n * 4


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"degree": 3}, "must be even and at least 2, got 3"),
        ({"degree": 0}, "must be even and at least 2, got 0"),
        ({"rewired": 1.5}, "must be from 0 to 1, got 1.5"),
        ({"degree": 2, "rewired": 1.0}, "was connected in 20 draws; raise degree"),
    ],
)
def test_what_makes_no_small_world_is_refused(
    params: dict[str, int | float | str], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        build("small_world", n=2_000, seed=1, latency=Ticks(1), params=params)


@pytest.mark.slow
def test_a_million_actors_are_drawn_as_plain_arrays() -> None:
    graph = build("small_world", n=1_000_000, seed=1, latency=Ticks(5), params={"degree": 8})

    assert (len(graph), graph.n_edges) == (1_000_000, 4_000_000)
    assert graph.indices.nbytes == 32_000_000

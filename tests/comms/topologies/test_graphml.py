from pathlib import Path

import networkx as nx

from swarm.comms.graph import build, from_networkx
from swarm.comms.topologies.graphml import write_graphml
from swarm.units import Ticks


def test_nodes_carry_actor_ids_and_edges_their_latency(tmp_path: Path) -> None:
    shape = nx.path_graph(3)
    shape.edges[1, 2]["latency"] = 9
    graph = from_networkx(shape, latency=Ticks(4))

    is_written = write_graphml(graph, ["a-0", "a-1", "<b>-0"], tmp_path / "graph.graphml")

    read = nx.read_graphml(tmp_path / "graph.graphml", node_type=int)
    assert is_written
    assert dict(read.nodes(data="label")) == {0: "a-0", 1: "a-1", 2: "<b>-0"}
    assert sorted(read.edges(data="latency")) == [(0, 1, 4), (1, 2, 9)]


def test_the_same_graph_gives_the_same_file(tmp_path: Path) -> None:
    graph = build("small_world", n=50, seed=1, latency=Ticks(2))
    names = [f"a-{i}" for i in range(50)]

    for file in ("one", "two"):
        write_graphml(graph, names, tmp_path / file)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_graph_too_large_to_look_at_is_not_written(tmp_path: Path) -> None:
    n = 10_001
    graph = build("star", n=n, seed=0, latency=Ticks(1))

    is_written = write_graphml(graph, [f"a-{i}" for i in range(n)], tmp_path / "graph.graphml")

    assert not is_written
    assert not (tmp_path / "graph.graphml").exists()

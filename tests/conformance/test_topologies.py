"""Rules every topology must obey; a new file is covered without registration."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from swarm.comms.graph import CoordinationGraph, build, from_networkx, topologies
from swarm.units import Ticks

NAMES = topologies()
RANDOM = ("random_regular", "scale_free", "small_world")

Params = dict[str, int | float | str]


@pytest.fixture
def params(tmp_path: Path) -> Callable[[str, int], Params]:
    """What a topology needs beyond n and seed: only the edge list needs anything, a file."""

    def give(name: str, n: int) -> Params:
        if name != "edge_list":
            return {}
        path = tmp_path / f"ring-{n}.txt"
        pairs = [(a, (a + 1) % n) for a in range(n)] if n > 2 else [(0, 1)] * (n == 2)
        path.write_text("".join(f"{a} {b}\n" for a, b in pairs))
        return {"path": str(path)}

    return give


def shape(name: str) -> Callable[..., nx.Graph]:
    made: Callable[..., nx.Graph] = getattr(
        importlib.import_module(f"swarm.comms.topologies.{name}"), name
    )
    return made


def same(one: CoordinationGraph, other: CoordinationGraph) -> bool:
    return bool(np.array_equal(one.edges(), other.edges()))


def test_the_folder_has_the_seven_promised_shapes() -> None:
    promised = {"org_chart", "small_world", "scale_free", "random_regular", "complete", "star"}

    assert promised | {"edge_list"} <= set(NAMES)
    assert "graphml" not in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_topology_has_a_module_docstring_and_takes_n_and_seed_then_keywords(name: str) -> None:
    module = importlib.import_module(f"swarm.comms.topologies.{name}")
    parameters = list(inspect.signature(shape(name)).parameters.values())

    assert module.__doc__
    assert [p.name for p in parameters[:2]] == ["n", "seed"]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[2:])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 10, 60])
@pytest.mark.parametrize("name", NAMES)
def test_topology_is_a_connected_simple_graph_of_n_actors(
    name: str, n: int, params: Callable[[str, int], Params]
) -> None:
    drawn = shape(name)(n, 7, **params(name, n))

    assert sorted(drawn.nodes) == list(range(n))
    assert not drawn.is_directed()
    assert not drawn.is_multigraph()
    assert nx.number_of_selfloops(drawn) == 0
    assert nx.is_connected(drawn)


@pytest.mark.parametrize("n", [1, 2, 3, 60])
@pytest.mark.parametrize("name", NAMES)
def test_plain_arrays_hold_the_same_graph_sorted_and_symmetric(
    name: str, n: int, params: Callable[[str, int], Params]
) -> None:
    graph = build(name, n=n, seed=7, latency=Ticks(3), params=params(name, n))

    drawn = shape(name)(n, 7, **params(name, n))
    for a in range(n):
        neighbours = graph.neighbours(a).tolist()
        assert neighbours == sorted(drawn[a])
        assert all(graph.has_edge(b, a) for b in neighbours)
    assert same(graph, from_networkx(drawn, latency=Ticks(3)))


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_graph_and_random_shapes_differ_between_seeds(
    name: str, params: Callable[[str, int], Params]
) -> None:
    first, again, other = (
        build(name, n=60, seed=seed, latency=Ticks(1), params=params(name, 60))
        for seed in (1, 1, 2)
    )

    assert same(first, again)
    assert same(first, other) == (name not in RANDOM)


@pytest.mark.slow
def test_random_shapes_do_not_depend_on_the_process_or_its_hash_seed() -> None:
    code = (
        "from hashlib import sha256; from swarm.comms.graph import build\n"
        f"for name in {RANDOM}:\n"
        "    g = build(name, n=300, seed=5, latency=1)\n"
        "    print(sha256(g.indptr.tobytes() + g.indices.tobytes()).hexdigest())"
    )

    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": salt, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    ]

    assert printed[0] == printed[1]
    assert len(set(printed[0].split())) == len(RANDOM)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("complete", "edge_list")])
def test_ten_thousand_actors_are_drawn(name: str) -> None:
    graph = build(name, n=10_000, seed=1, latency=Ticks(5))

    assert len(graph) == 10_000

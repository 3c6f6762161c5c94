"""What is particular to the topologies that take a few lines each."""

import networkx as nx
import pytest

from swarm.comms.graph import build
from swarm.comms.topologies.complete import complete
from swarm.comms.topologies.org_chart import org_chart
from swarm.comms.topologies.random_regular import random_regular
from swarm.comms.topologies.scale_free import scale_free
from swarm.comms.topologies.star import star
from swarm.errors import UsageError
from swarm.units import Ticks


def test_in_an_org_chart_nobody_has_more_reports_than_the_span() -> None:
    chart = org_chart(40, 0, span=3)

    assert chart.number_of_edges() == 39
    assert all(chart.has_edge(rank, (rank - 1) // 3) for rank in range(1, 40))


def test_an_org_chart_of_span_one_is_a_chain_of_command() -> None:
    assert nx.is_isomorphic(org_chart(5, 0, span=1), nx.path_graph(5))


def test_everybody_in_a_random_regular_graph_has_the_same_degree() -> None:
    graph = random_regular(50, 3, degree=6)

    assert {degree for _, degree in graph.degree} == {6}


def test_a_scale_free_graph_has_hubs() -> None:
    degrees = sorted(degree for _, degree in scale_free(1_000, 3, attach=3).degree)

    assert degrees[0] == 3
    assert degrees[-1] > 10 * degrees[500]


def test_a_star_has_rank_zero_at_its_centre() -> None:
    assert [degree for _, degree in star(4, 0).degree] == [3, 1, 1, 1]


def test_in_a_complete_graph_everybody_knows_everybody() -> None:
    assert complete(9, 0).number_of_edges() == 36


@pytest.mark.parametrize(
    ("name", "n", "params", "sentence"),
    [
        ("org_chart", 9, {"span": 0}, "the span of an org chart must be at least 1, got 0"),
        ("scale_free", 9, {"attach": 0}, "attach of a scale-free graph must be at least 1, got 0"),
        ("random_regular", 9, {"degree": 2}, "must be at least 3, got 2"),
        ("random_regular", 9, {"degree": 5}, "9 actors cannot all have 5 neighbours, an odd sum"),
        ("complete", 3_001, {}, "at most 3,000 actors, got 3,001; choose small_world"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    name: str, n: int, params: dict[str, int | float | str], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        build(name, n=n, seed=0, latency=Ticks(1), params=params)

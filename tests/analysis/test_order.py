import pytest

import swarm
from swarm.analysis.emergent import Edge, Link, Pipeline, mine
from swarm.analysis.events import Event
from swarm.analysis.order import order_against_chance, stability
from swarm.analysis.run import Run


def pipeline(*pairs: tuple[str, str], parts: tuple[str, ...] = ()) -> Pipeline:
    """A pipeline whose links are just these pairs of stages."""
    events: list[Event] = []
    links: list[Link] = []
    for before, after in pairs:
        for stage in (before, after):
            at = len(events)
            events.append(Event(seq=at, stage=stage, opened=at, closed=at, price=0))
        links.append(Link(len(events) - 2, len(events) - 1))
    edges = {
        pair: Edge(n=pairs.count(pair), price=0.0, span=0.0, delay=1.0)
        for pair in sorted(set(pairs))
    }
    return Pipeline(
        events=tuple(events), links=tuple(links), stages={}, edges=edges, part_order=parts
    )


def test_equal_pipelines_are_wholly_stable() -> None:
    one = pipeline(("a", "b"), ("b", "c"), parts=("x", "y"))

    found = stability([one, one, one])

    assert found.edges[:3] == (1.0, 1.0, 1.0)
    assert found.directions is not None
    assert found.parts is not None
    assert (found.directions.mean, found.parts.mean) == (1.0, 1.0)


def test_reversed_pipelines_share_no_edge_and_no_direction() -> None:
    found = stability(
        [
            pipeline(("a", "b"), ("b", "c"), parts=("x", "y")),
            pipeline(("b", "a"), ("c", "b"), parts=("y", "x")),
        ]
    )

    assert found.edges.mean == 0.0
    assert found.directions is not None
    assert found.parts is not None
    assert (found.directions.mean, found.parts.mean) == (0.0, 0.0)


def test_the_more_frequent_way_is_the_direction() -> None:
    found = stability(
        [pipeline(("a", "b"), ("a", "b"), ("b", "a")), pipeline(("a", "b"), ("b", "c"))]
    )

    assert found.directions is not None
    assert found.directions.mean == 1.0


def test_two_runs_have_no_interval_and_strangers_no_direction() -> None:
    found = stability([pipeline(("a", "b")), pipeline(("c", "d"))])

    assert (found.edges.low, found.edges.high) == (None, None)
    assert (found.directions, found.parts) == (None, None)


def test_a_strict_succession_is_beyond_chance() -> None:
    found = order_against_chance(pipeline(*[("a", "b"), ("b", "c"), ("c", "a")] * 10), seed=1)

    assert found.observed == pytest.approx(1.585, abs=1e-3)
    assert found.high < found.observed


def test_a_succession_at_random_is_not_beyond_chance() -> None:
    pairs = [(a, b) for a in "abc" for b in "xyz"] * 4

    found = order_against_chance(pipeline(*pairs), seed=1)

    assert found.observed == pytest.approx(0.0)
    assert found.low >= found.observed


def test_no_links_have_no_order() -> None:
    assert order_against_chance(pipeline(), seed=1).shuffles == 0


@pytest.mark.slow
def test_the_order_of_labs_is_beyond_chance_and_largely_stable(lab_run: Run) -> None:
    other = swarm.load_run(lab_run.path.parent / "2")
    pipelines = [mine(lab_run), mine(other)]

    found = stability(pipelines)

    assert found.edges.mean > 0.5
    assert found.directions is not None
    assert found.directions.mean > 0.9
    for one in pipelines:
        null = order_against_chance(one, seed=1, shuffles=40)
        assert null.observed > null.high

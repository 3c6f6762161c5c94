import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.gpu.leases import Take
from swarm.gpu.placement import Consolidate, Placement

PLACEMENTS: list[Placement] = [Consolidate()]
CLUSTERS = st.lists(st.integers(1, 8), min_size=1, max_size=6) | st.lists(
    st.just(4), min_size=1, max_size=6
)


@st.composite
def occupied(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Some nodes, and how many GPUs of each are idle."""
    sizes = draw(CLUSTERS)
    return [draw(st.integers(0, size)) for size in sizes], sizes


def place(gpus: int, idle: list[int], size: int = 8) -> list[tuple[int, int]] | None:
    takes = Consolidate().place(gpus, idle=idle, sizes=[size] * len(idle))
    return None if takes is None else [(take.node, take.gpus) for take in takes]


def test_small_gang_goes_to_the_fullest_node_that_has_room() -> None:
    assert place(3, [8, 2, 4, 5]) == [(2, 3)]


def test_equally_full_nodes_are_taken_by_id() -> None:
    assert place(3, [8, 4, 4, 4]) == [(1, 3)]


def test_small_gang_is_not_spread_over_nodes() -> None:
    assert place(6, [5, 5, 5]) is None


def test_multiple_of_a_node_needs_wholly_idle_nodes() -> None:
    assert place(16, [8, 7, 8, 8]) == [(0, 8), (2, 8)]
    assert place(16, [8, 7, 7, 7]) is None


def test_remainder_of_a_large_gang_goes_to_the_fullest_other_node() -> None:
    assert place(11, [8, 8, 3, 5]) == [(0, 8), (2, 3)]
    assert place(11, [8, 8, 2, 1]) == [(0, 8), (1, 3)]
    assert place(11, [8, 2, 2, 1]) is None


def test_smaller_node_serves_small_gangs_and_remainders() -> None:
    def on_unequal(gpus: int) -> tuple[Take, ...] | None:
        return Consolidate().place(gpus, idle=[8, 4], sizes=[8, 4])

    assert on_unequal(4) == (Take(node=1, gpus=4),)
    assert on_unequal(12) == (Take(node=0, gpus=8), Take(node=1, gpus=4))
    assert on_unequal(13) is None


@pytest.mark.parametrize("placement", PLACEMENTS)
@given(nodes=occupied())
def test_every_gang_up_to_the_largest_fits_and_none_beyond(
    placement: Placement, nodes: tuple[list[int], list[int]]
) -> None:
    idle, sizes = nodes

    largest = placement.largest(idle=idle, sizes=sizes)

    fits = [placement.place(n, idle=idle, sizes=sizes) for n in range(1, sum(sizes) + 2)]
    assert [takes is not None for takes in fits] == [n <= largest for n in range(1, len(fits) + 1)]


@pytest.mark.parametrize("placement", PLACEMENTS)
@given(nodes=occupied(), gpus=st.integers(1, 20))
def test_placed_gang_is_whole_and_takes_only_what_is_idle(
    placement: Placement, nodes: tuple[list[int], list[int]], gpus: int
) -> None:
    idle, sizes = nodes

    takes = placement.place(gpus, idle=idle, sizes=sizes)

    if takes is not None:
        assert sum(take.gpus for take in takes) == gpus
        assert all(0 < take.gpus <= idle[take.node] for take in takes)
        ids = [take.node for take in takes]
        assert ids == sorted(set(ids))


@pytest.mark.parametrize("placement", PLACEMENTS)
@given(nodes=occupied(), gpus=st.integers(1, 20), data=st.data())
def test_what_fits_also_fits_when_more_is_idle(
    placement: Placement, nodes: tuple[list[int], list[int]], gpus: int, data: st.DataObject
) -> None:
    idle, sizes = nodes
    more = [data.draw(st.integers(less, size)) for less, size in zip(idle, sizes, strict=True)]

    before = placement.place(gpus, idle=idle, sizes=sizes)
    after = placement.place(gpus, idle=more, sizes=sizes)

    assert before is None or after is not None

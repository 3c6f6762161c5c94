import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.gpu.leases import Take
from swarm.gpu.placement import Consolidate, Placement, placement, placements
from swarm.gpu.placements.fragmentation_aware import TYPICAL_JOBS

PLACEMENTS: list[Placement] = [placement(name) for name in placements()]
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


@pytest.mark.parametrize("policy", PLACEMENTS, ids=placements())
@given(nodes=occupied())
def test_every_gang_up_to_the_largest_fits_and_none_beyond(
    policy: Placement, nodes: tuple[list[int], list[int]]
) -> None:
    idle, sizes = nodes

    largest = policy.largest(idle=idle, sizes=sizes)

    fits = [policy.place(n, idle=idle, sizes=sizes) for n in range(1, sum(sizes) + 2)]
    assert [takes is not None for takes in fits] == [n <= largest for n in range(1, len(fits) + 1)]


@pytest.mark.parametrize("policy", PLACEMENTS, ids=placements())
@given(nodes=occupied(), gpus=st.integers(1, 20))
def test_placed_gang_is_whole_and_takes_only_what_is_idle(
    policy: Placement, nodes: tuple[list[int], list[int]], gpus: int
) -> None:
    idle, sizes = nodes

    takes = policy.place(gpus, idle=idle, sizes=sizes)

    if takes is not None:
        assert sum(take.gpus for take in takes) == gpus
        assert all(0 < take.gpus <= idle[take.node] for take in takes)
        ids = [take.node for take in takes]
        assert ids == sorted(set(ids))


@pytest.mark.parametrize("policy", PLACEMENTS, ids=placements())
@given(nodes=occupied(), gpus=st.integers(1, 20), data=st.data())
def test_what_fits_also_fits_when_more_is_idle(
    policy: Placement, nodes: tuple[list[int], list[int]], gpus: int, data: st.DataObject
) -> None:
    idle, sizes = nodes
    more = [data.draw(st.integers(less, size)) for less, size in zip(idle, sizes, strict=True)]

    before = policy.place(gpus, idle=idle, sizes=sizes)
    after = policy.place(gpus, idle=more, sizes=sizes)

    assert before is None or after is not None


def test_unknown_placement_is_refused_with_the_list() -> None:
    with pytest.raises(
        UsageError,
        match="no placement 'pile'; choose one of consolidate, count, fragmentation_aware, spread",
    ):
        placement("pile")


def test_count_takes_any_idle_gpus_in_order_of_the_nodes() -> None:
    takes = placement("count").place(5, idle=[0, 2, 1, 8], sizes=[8] * 4)

    assert takes == (Take(node=1, gpus=2), Take(node=2, gpus=1), Take(node=3, gpus=2))


def test_spread_takes_gpu_by_gpu_from_the_node_with_most_idle() -> None:
    takes = placement("spread").place(5, idle=[1, 5, 3, 4], sizes=[8] * 4)

    # 5 4 3 1 -> 4 4 3 1 -> 3 4 3 1 -> 3 3 3 1 -> then the lowest nodes of those with 3.
    assert takes == (Take(node=1, gpus=3), Take(node=2, gpus=1), Take(node=3, gpus=1))


@given(nodes=occupied(), gpus=st.integers(1, 20))
def test_spread_leaves_as_gpu_by_gpu_would(nodes: tuple[list[int], list[int]], gpus: int) -> None:
    idle, sizes = nodes
    expected = idle.copy()
    for _ in range(gpus):
        if max(expected):
            expected[expected.index(max(expected))] -= 1

    takes = placement("spread").place(gpus, idle=idle, sizes=sizes)

    if takes is not None:
        for take in takes:
            idle[take.node] -= take.gpus
        assert idle == expected


@pytest.mark.parametrize("policy", PLACEMENTS, ids=placements())
def test_a_slice_fits_exactly_if_some_gpu_has_room(policy: Placement) -> None:
    shared = {0: [100, 300], 2: [250, 600]}

    on_shared = policy.place_slice(600, idle=[0, 0, 0], slices=shared)
    on_idle = policy.place_slice(700, idle=[0, 1, 0], slices=shared)
    nowhere = policy.place_slice(700, idle=[0, 0, 0], slices=shared)

    assert on_shared == Take(node=2, gpus=0, milli=600, on=600)
    assert on_idle == Take(node=1, gpus=0, milli=700, on=1_000)
    assert nowhere is None


def test_best_fit_puts_a_slice_on_the_fullest_gpu_and_spread_on_an_idle_one() -> None:
    shared = {0: [300], 1: [250, 600]}

    fullest = placement("count").place_slice(250, idle=[1, 2], slices=shared)
    emptiest = placement("spread").place_slice(250, idle=[1, 2], slices=shared)

    assert fullest == Take(node=1, gpus=0, milli=250, on=250)
    assert emptiest == Take(node=1, gpus=0, milli=250, on=1_000)


def test_fragmentation_aware_fills_what_only_slices_can_use() -> None:
    # A quarter more on the GPU with 250 left makes no fragment; anywhere else it leaves one.
    take = placement("fragmentation_aware").place_slice(
        250, idle=[8, 0], slices={0: [500], 1: [250]}
    )

    assert take == Take(node=1, gpus=0, milli=250, on=250)


def test_fragmentation_aware_does_not_break_up_what_a_large_gang_could_use() -> None:
    # Best fit takes a GPU of node 1, where afterwards no gang of four would fit; from node 0 with
    # five idle GPUs nothing that is asked for becomes impossible.
    aware = placement("fragmentation_aware").place(1, idle=[5, 4], sizes=[8, 8])
    fullest = placement("consolidate").place(1, idle=[5, 4], sizes=[8, 8])

    assert aware == (Take(node=0, gpus=1),)
    assert fullest == (Take(node=1, gpus=1),)


@given(
    idle=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    shared=st.lists(st.lists(st.integers(1, 999), max_size=3), min_size=4, max_size=4),
    milli=st.integers(1, 999),
)
def test_fragmentation_aware_puts_a_slice_where_fragments_grow_least(
    idle: list[int], shared: list[list[int]], milli: int
) -> None:
    slices = {node: sorted(frees) for node, frees in enumerate(shared[: len(idle)]) if frees}
    before = sum(fragments(n_idle, slices.get(node, [])) for node, n_idle in enumerate(idle))
    grown = [
        after(idle, slices, node, on, milli) - before
        for node, n_idle in enumerate(idle)
        for on in {*slices.get(node, []), *([1_000] if n_idle else [])}
        if on >= milli
    ]

    take = placement("fragmentation_aware").place_slice(milli, idle=idle, slices=slices)

    if take is None:
        assert grown == []
    else:
        assert after(idle, slices, take.node, take.on, milli) - before == min(grown)


def after(idle: list[int], slices: dict[int, list[int]], node: int, on: int, milli: int) -> int:
    """Fragments of all nodes when a slice has been taken from a GPU with so much room."""
    left_idle = idle.copy()
    left = {one: frees.copy() for one, frees in slices.items()}
    if on == 1_000:
        left_idle[node] -= 1
    else:
        left[node].remove(on)
    left.setdefault(node, []).append(on - milli)
    return sum(fragments(n_idle, left.get(one, [])) for one, n_idle in enumerate(left_idle))


def fragments(n_idle: int, frees: list[int]) -> int:
    """As the docstring of the policy says it, GPU by GPU."""
    gpus = [1_000] * n_idle + frees
    total = 0
    for size, percent in TYPICAL_JOBS:
        wanted = min(size, 1_000)
        usable = [free for free in gpus if free >= wanted]
        if wanted * len(usable) < size:
            usable = []
        total += percent * (sum(gpus) - sum(usable))
    return total


@pytest.mark.parametrize("policy", PLACEMENTS, ids=placements())
@given(
    idle=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    gangs=st.lists(st.integers(1, 9), max_size=8),
    data=st.data(),
)
def test_what_fits_one_after_the_other_depends_on_how_many_are_idle_but_not_on_which_nodes(
    policy: Placement, idle: list[int], gangs: list[int], data: st.DataObject
) -> None:
    """The sealed-bid mechanism looks up games in rooms that are alike."""
    fits: list[list[bool]] = []
    for order in (idle, data.draw(st.permutations(idle))):
        left = list(order)
        fits.append([])
        for gang in gangs:
            takes = policy.place(gang, idle=left, sizes=[4] * len(left))
            fits[-1].append(takes is not None)
            for take in takes or ():
                left[take.node] -= take.gpus

    assert fits[0] == fits[1]

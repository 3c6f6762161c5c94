from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from swarm.gpu.leases import Request
from swarm.gpu.line import Line
from swarm.gpu.mechanism import PoolView
from swarm.gpu.mechanisms.max_min import MaxMin
from swarm.gpu.placement import placement
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks

GPUS = 16


def ask(*wants: tuple[str, int], held: dict[str, int] | None = None) -> dict[str, list[int]]:
    """Gangs that each holder is awarded in one round on what is left of 16 GPUs."""
    requests = [
        Request(
            contract=ContractId(f"{holder}/{number:02d}"),
            holder=ActorId(holder),
            gpus=gpus,
            duration=Ticks(5),
            bid=Credits(0),
            submitted_at=Ticks(number),
        )
        for number, (holder, gpus) in enumerate(wants)
    ]
    view = PoolView(
        idle=(GPUS - sum((held or {}).values()),),
        sizes=(GPUS,),
        placement=placement("count"),
        reserve=Credits(0),
        held={ActorId(holder): 1_000 * gpus for holder, gpus in (held or {}).items()},
    )
    rule = MaxMin()
    got: dict[str, list[int]] = defaultdict(list)
    for award in rule.allocate(Line(rule, requests), view, Ticks(99)).awards:
        got[award.request.holder].append(award.request.gpus)
    return dict(got)


def test_equal_holders_get_equal_shares_whoever_came_first() -> None:
    got = ask(*[("a", 1)] * 20, *[("b", 1)] * 20)

    assert {holder: sum(gangs) for holder, gangs in got.items()} == {"a": 8, "b": 8}


def test_who_holds_gpus_already_is_served_less() -> None:
    got = ask(*[("a", 1)] * 20, *[("b", 1)] * 20, held={"a": 6})

    assert {holder: sum(gangs) for holder, gangs in got.items()} == {"a": 2, "b": 8}


def test_what_a_modest_holder_leaves_goes_to_the_others() -> None:
    got = ask(("a", 2), *[("b", 1)] * 20, *[("c", 1)] * 20)

    assert {holder: sum(gangs) for holder, gangs in got.items()} == {"a": 2, "b": 7, "c": 7}


@given(
    st.lists(st.sampled_from("abcd"), max_size=60),
    st.sampled_from([1, 2, 4]),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3), max_size=4),
)
def test_nobody_who_waits_envies_another_more_than_one_gang_of_the_round(
    holders: list[str], gang: int, gangs_held: dict[str, int]
) -> None:
    held = {holder: gang * n for holder, n in gangs_held.items()}
    if sum(held.values()) > GPUS:
        return

    got = ask(*[(holder, gang) for holder in holders], held=held)

    total = {one: held.get(one, 0) + sum(got.get(one, [])) for one in "abcd"}
    for one in "abcd":
        if len(got.get(one, [])) < holders.count(one):
            for other in got:
                assert total[other] - gang <= total[one]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=30),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 4), max_size=3),
)
def test_who_waits_could_not_be_helped_by_what_others_hold_above_its_level(
    wants: list[tuple[str, int]], held: dict[str, int]
) -> None:
    got = ask(*wants, held=held)

    total = {one: held.get(one, 0) + sum(got.get(one, [])) for one in "abc"}
    idle = GPUS - sum(total.values())
    for one in "abc":
        left = sorted(gpus for holder, gpus in wants if holder == one)
        for gpus in got.get(one, []):
            left.remove(gpus)
        if left:
            level = total[one] + left[0]
            above = sum(
                min(total[other] - level, sum(got.get(other, [])))
                for other in "abc"
                if other != one and total[other] > level
            )
            assert above + idle < left[0]

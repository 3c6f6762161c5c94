from hypothesis import given
from hypothesis import strategies as st

from swarm.gpu.leases import Request
from swarm.gpu.line import Entry, Line, Walk
from swarm.gpu.mechanism import mechanism, mechanisms
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks

REQUESTS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(0, 5), st.integers(0, 9)),
    max_size=20,
).map(
    lambda drawn: [
        Request(
            contract=ContractId(f"a/{number:02d}"),
            holder=ActorId(f"a-{gpus % 2}"),
            gpus=gpus,
            duration=Ticks(duration),
            bid=Credits(bid),
            submitted_at=Ticks(at),
        )
        for number, (gpus, duration, at, bid) in enumerate(drawn)
    ]
)


@given(REQUESTS, st.sampled_from(mechanisms()), st.data())
def test_a_line_is_sorted_whatever_came_and_went(
    requests: list[Request], name: str, data: st.DataObject
) -> None:
    rule = mechanism(name)
    line = Line(rule)
    by_turn_early = data.draw(st.booleans()) and line.by_turn()
    gone = data.draw(st.lists(st.sampled_from(requests), unique_by=id)) if requests else []

    for request in requests:
        line.add(request)
    for request in gone:
        line.remove(request)

    left = [one for one in requests if one not in gone]
    expected = sorted(left, key=lambda one: (rule.order(one), one.contract))
    assert list(line) == expected
    assert len(line) == len(left)
    by_turn = [entry.request for entry in line.by_turn()]
    assert by_turn == sorted(left, key=lambda one: one.turn)
    assert by_turn_early in (False, [], line.by_turn())


def test_a_walk_leaves_out_the_group_of_who_is_popped_unless_it_is_pushed_on() -> None:
    request = Request(
        contract=ContractId("a/0"),
        holder=ActorId("a"),
        gpus=1,
        duration=Ticks(1),
        bid=Credits(0),
        submitted_at=Ticks(0),
    )

    def entry(key: int) -> Entry:
        return Entry((key,), ContractId(f"a/{key}"), request)

    walk = Walk([[entry(1), entry(4)], [entry(2), entry(3)]])
    popped = []
    while (one := walk.pop()) is not None:
        popped.append(one.key[0])
        if popped[-1] != 1:
            walk.push_next()

    assert popped == [1, 2, 3]

"""The engine on a tiny world: three actors in a line, a role that does as a script says."""

from collections.abc import Callable, Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import InvariantError, NotNeighbourError
from swarm.kernel.engine import Engine
from swarm.kernel.envelope import ACT, ARRIVE, RECORD, RELEASE, Envelope
from swarm.kernel.message import NO_MESSAGE, ActorId, Message, message_id
from swarm.kernel.record import Noted, Stopped
from swarm.kernel.role import Context
from swarm.kernel.roster import Roster
from swarm.units import Ticks

LATENCY = 5


class Begin(Message, frozen=True, kw_only=True, tag="t.begin"):
    pass


class Say(Message, frozen=True, kw_only=True, tag="t.say"):
    text: str


class Line:
    """0 - 1 - 2."""

    def __init__(self, n: int = 3) -> None:
        self.n = n

    def peers(self, rank: int) -> Sequence[int]:
        return [r for r in (rank - 1, rank + 1) if 0 <= r < self.n]

    def latency(self, sender: int, recipient: int) -> int:
        return LATENCY if abs(sender - recipient) == 1 else 0


class Memory:
    def __init__(self) -> None:
        self.rows: list[tuple[int, int, Envelope]] = []

    def write(self, due: int, phase: int, rows: Sequence[Envelope]) -> None:
        self.rows += [(due, phase, row) for row in rows]


class NoState(msgspec.Struct):
    pass


Reaction = Callable[[Message, Context], None]


class Scripted:
    def __init__(self, react: Reaction) -> None:
        self.react = react
        self.state = NoState()

    def receive(self, message: Message, ctx: Context) -> None:
        self.react(message, ctx)


def make(react: Reaction, reorder: Callable[[list[Envelope]], None] | None = None) -> Engine:
    sink = Memory()
    engine = Engine(
        roster=Roster([("ada", 3)]),
        network=Line(),
        role_at=lambda _: Scripted(react),
        shards=[range(3)],
        shard=0,
        seed=7,
        lookahead=LATENCY,
        sink=sink,
        reorder=reorder,
    )
    engine.memory = sink  # type: ignore[attr-defined]  # for the assertions below
    return engine


def rows(engine: Engine) -> list[tuple[int, int, Envelope]]:
    memory: Memory = engine.memory  # type: ignore[attr-defined]
    return memory.rows


def run(engine: Engine, windows: int = 100) -> None:
    for _ in range(windows):
        due = engine.next_due()
        if due is None:
            return
        engine.run_window(due + LATENCY)


def test_a_message_arrives_after_the_latency_with_its_cause() -> None:
    def react(message: Message, ctx: Context) -> None:
        if isinstance(message, Begin):
            ctx.tell(ctx.neighbours[0], Say(text=f"from {ctx.me}"))

    engine = make(react)
    engine.start(Begin(), [2])

    run(engine)

    start = message_id(2, 0)
    assert rows(engine) == [
        (0, ARRIVE, (2, start, 0, NO_MESSAGE, Begin())),
        (LATENCY, ARRIVE, (1, message_id(2, 1), 0, start, Say(text="from ada-2"))),
    ]


def test_phases_of_one_instant_are_release_arrive_act_record() -> None:
    def react(message: Message, ctx: Context) -> None:
        if isinstance(message, Begin):
            ctx.note("noted")
            ctx.after(Ticks(0), Say(text="later the same tick"))

    engine = make(react)
    engine.start(Begin(), [0])

    run(engine)

    assert [(due, phase, row[4]) for due, phase, row in rows(engine)] == [
        (0, ARRIVE, Begin()),
        (0, ACT, Say(text="later the same tick")),
        (0, RECORD, Noted(text="noted")),
    ]


def test_a_timer_in_the_past_or_the_same_phase_is_a_bug() -> None:
    def react(message: Message, ctx: Context) -> None:
        delay = 0 if isinstance(message, Say) else 1
        ctx.after(Ticks(delay), Say(text="again"))

    engine = make(react)
    engine.start(Begin(), [0])

    with pytest.raises(InvariantError, match="timer of ada-0") as caught:
        run(engine)

    assert any("raised by ada-0 at tick 1" in note for note in caught.value.__notes__)


def test_a_stranger_cannot_be_told() -> None:
    def react(message: Message, ctx: Context) -> None:
        ctx.tell(ActorId("ada-2"), Say(text="hello"))

    engine = make(react)
    engine.start(Begin(), [0])

    with pytest.raises(NotNeighbourError, match="ada-0 has no edge to ada-2"):
        run(engine)


def test_orders_are_recorded_and_their_answers_come_in_the_release_phase_with_their_cause() -> None:
    seen: list[tuple[int, int, Message]] = []

    def react(message: Message, ctx: Context) -> None:
        if isinstance(message, Begin):
            assert ctx.run(Say(text="job"), takes=Ticks(1)) == message_id(1, 1)
        else:
            seen.append((ctx.now, ctx.cause, message))

    engine = make(react)
    engine.start(Begin(), [1])
    _, (order,) = engine.run_window(LATENCY)
    engine.answer(order, Say(text="result"))

    run(engine)

    assert order.due == LATENCY, "an answer takes at least the lookahead"
    assert seen == [(LATENCY, message_id(1, 1), Say(text="result"))]
    assert [(phase, row[4]) for _, phase, row in rows(engine)] == [
        (ARRIVE, Begin()),
        (RECORD, Say(text="job")),
        (RELEASE, Say(text="result")),
    ]


def test_what_reaches_a_stopped_actor_is_logged_and_not_delivered() -> None:
    served: list[Message] = []

    def react(message: Message, ctx: Context) -> None:
        served.append(message)
        if ctx.me == "ada-1":
            ctx.stop()
        elif isinstance(message, Begin):
            ctx.tell(ActorId("ada-1"), Say(text="too late"))

    engine = make(react)
    engine.start(Begin(), [0, 1])

    run(engine)

    assert served == [Begin(), Begin()]
    assert [row[4] for _, _, row in rows(engine)] == [
        Begin(),
        Begin(),
        Stopped(),
        Say(text="too late"),
    ]
    assert engine.contexts[1].is_stopped


def chatter(message: Message, ctx: Context) -> None:
    if ctx.now < 40 and message in (Begin(), Say(text="tick")):
        stream = ctx.rng("whom")
        for _ in range(stream.integer(3)):
            ctx.tell(stream.choice(ctx.neighbours), Say(text=str(stream.integer(100))))
        ctx.after(Ticks(1 + stream.integer(4)), Say(text="tick"))


@given(st.integers(0, 1000))
def test_the_order_of_a_bucket_does_not_depend_on_how_it_was_filled(shuffle: int) -> None:
    plain, shuffled = make(chatter), make(chatter, Random(shuffle).shuffle)
    for engine in (plain, shuffled):
        engine.start(Begin(), range(3))
        run(engine, windows=12)

    assert rows(plain) == rows(shuffled)


def test_shards_that_exchange_batches_deliver_what_one_engine_delivers() -> None:
    whole = make(chatter)
    whole.start(Begin(), range(3))
    run(whole)
    cuts = [range(1), range(1, 3)]
    sinks = [Memory(), Memory()]
    parts = [
        Engine(
            roster=Roster([("ada", 3)]),
            network=Line(),
            role_at=lambda _: Scripted(chatter),
            shards=cuts,
            shard=i,
            seed=7,
            lookahead=LATENCY,
            sink=sinks[i],
        )
        for i in range(2)
    ]
    for engine, ranks in zip(parts, cuts, strict=True):
        engine.start(Begin(), ranks)

    while dues := [due for engine in parts if (due := engine.next_due()) is not None]:
        outgoing = [engine.run_window(min(dues) + LATENCY)[0] for engine in parts]
        for batches in outgoing:
            for target, batch in batches.items():
                parts[target].accept(batch)

    def key(row: tuple[int, int, Envelope]) -> tuple[int, int, int, int]:
        return row[0], row[1], row[2][0], row[2][1]

    assert sorted(sinks[0].rows + sinks[1].rows, key=key) == sorted(rows(whole), key=key)

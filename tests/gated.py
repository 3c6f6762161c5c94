"""A tiny run with a gate: two swaps are sought, one after the other, and a person is asked."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.graph import build
from swarm.comms.messages import human, work
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.kernel.roster import Roster
from swarm.minds.human import PERSON
from swarm.roles.human import Human
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.inbox import Item, read_inbox
from swarm.units import Ticks

AskerInbox: TypeAlias = work.Start | human.Approved | human.Vetoed
PATIENT, HASTY = 60.0, 0.02


def sought(number: int) -> human.ApprovalSought:
    return human.ApprovalSought(
        contract=ContractId(f"asker-0/{number}"),
        part="optimizer",
        value='{"lr":0.02}',
        author=ActorId("asker-0"),
        gain=0.25,
        gain_low=0.1,
        gain_high=0.4,
        unit="bpb",
    )


class Sought(msgspec.Struct):
    n: int = 0


class Asker:
    """Seeks approval of two swaps, one after the other, and notes what came of it."""

    def __init__(self) -> None:
        self.state = Sought()

    def receive(self, message: AskerInbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case work.Start():
                pass
            case human.Approved() | human.Vetoed():
                ctx.note(f"{type(message).__name__} {message.contract}: {message.reason}")
            case _:
                assert_never(message)
        if self.state.n < 2:
            self.state.n += 1
            ctx.tell(ActorId("human-0"), sought(self.state.n))


def build_role(policy: bool, _roster: Roster, actor: ActorId) -> AnyRole:
    if actor == "asker-0":
        return Asker()
    return Human(gate="swaps", policy=policy, thinking=Ticks(60))


def gate(*, deadline: float, policy: bool = True) -> Blueprint:
    return Blueprint(
        scenario="gate",
        config={},
        seed=3,
        roster=(("asker", 1), ("human", 1)),
        graph=build("complete", n=2, seed=3, latency=Ticks(1), params={}),
        build_role=partial(build_role, policy),
        first=work.Start(),
        minds={"human": (PERSON,)},
        person_deadline=deadline,
    )


def until(holds: Callable[[], bool]) -> None:
    """Looks again and again, for ten seconds at most."""
    end = time.monotonic() + 10.0
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def open_items(run: Path) -> list[Item]:
    if not (run / "manifest.json").exists():
        return []
    return [item for item in read_inbox(run) if item.answer is None]

import msgspec
import networkx as nx

from swarm.comms.graph import from_networkx
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages.subcontract import Carry
from swarm.comms.subcontract import Carrier, shortest_paths
from swarm.kernel.message import ActorId, ContractId, Message
from swarm.kernel.role import Context
from swarm.kernel.roster import Roster
from swarm.pipeline.wire import codec
from swarm.testing import FakeContext
from swarm.units import Ticks

ROSTER = Roster([("ada", 5)])
LINE = from_networkx(nx.path_graph(5), latency=Ticks(1))
CANCEL = cn.Cancel(contract=ContractId("ada-0/1"), reason="enough")


class NoState(msgspec.Struct):
    pass


class Echo:
    """Answers the sender."""

    def __init__(self) -> None:
        self.state = NoState()
        self.heard: list[tuple[ActorId, Message]] = []

    def receive(self, message: Message, ctx: Context) -> None:
        self.heard.append((ctx.sender, message))
        ctx.tell(ctx.sender, message)


def carrier() -> tuple[Carrier, Echo]:
    echo = Echo()
    return Carrier(echo, next_hop=shortest_paths(LINE, ROSTER), codec=codec()), echo


def carried(origin: str, to: str) -> Carry:
    return Carry(
        origin=ActorId(origin),
        to=ActorId(to),
        contract=CANCEL.contract,
        payload=codec().encode(CANCEL).decode(),
    )


def test_a_neighbour_is_told_directly() -> None:
    role, echo = carrier()
    ctx = FakeContext(me=ActorId("ada-1"), neighbours=(ActorId("ada-0"), ActorId("ada-2")))
    ctx.sender = ActorId("ada-0")

    role.receive(CANCEL, ctx)

    assert ctx.drain() == [("tell", ActorId("ada-0"), CANCEL)]
    assert echo.heard == [(ActorId("ada-0"), CANCEL)]


def test_what_is_for_somebody_else_is_carried_one_hop_on() -> None:
    role, echo = carrier()
    ctx = FakeContext(me=ActorId("ada-1"), neighbours=(ActorId("ada-0"), ActorId("ada-2")))

    role.receive(carried("ada-0", "ada-4"), ctx)

    assert ctx.drain() == [("tell", ActorId("ada-2"), carried("ada-0", "ada-4"))]
    assert echo.heard == []


def test_what_arrives_is_unwrapped_and_its_answer_travels_back() -> None:
    role, echo = carrier()
    ctx = FakeContext(me=ActorId("ada-4"), neighbours=(ActorId("ada-3"),))
    ctx.sender = ActorId("ada-3")

    role.receive(carried("ada-0", "ada-4"), ctx)

    assert echo.heard == [(ActorId("ada-0"), CANCEL)]
    assert ctx.drain() == [("tell", ActorId("ada-3"), carried("ada-4", "ada-0"))]


def test_ties_between_paths_go_to_the_lowest_rank() -> None:
    ring = from_networkx(nx.cycle_graph(4), latency=Ticks(1))

    hop = shortest_paths(ring, Roster([("ada", 4)]))

    assert hop(ActorId("ada-0"), ActorId("ada-2")) == "ada-1"
    assert hop(ActorId("ada-2"), ActorId("ada-0")) == "ada-1"

"""Roles without service edges: what no edge carries travels from neighbour to neighbour.

A ``Carrier`` wraps a role. What the role tells to a non-neighbour goes out as a ``Carry`` along a
shortest path; what passes through is carried on; what arrives is unwrapped. The role itself sees
no difference but the time it takes.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from swarm.comms.codec import Codec
from swarm.comms.graph import CoordinationGraph
from swarm.comms.messages.subcontract import Carry
from swarm.errors import NotNeighbourError
from swarm.kernel.message import ActorId, ContractId, Message, MessageId
from swarm.kernel.rng import Stream
from swarm.kernel.role import Context, Role
from swarm.kernel.roster import Roster
from swarm.units import Ticks

NextHop: TypeAlias = Callable[[ActorId, ActorId], ActorId | None]
"""(where a message is, where it must go) -> the neighbour to hand it to; None without a path."""


class Carrier:
    """A role that also carries other actors' messages.

    Args:
        role: The role being wrapped. Any: a carrier wraps every role.
        next_hop: The routing.
        codec: Encodes what is carried.
    """

    def __init__(self, role: Role[Any], *, next_hop: NextHop, codec: Codec) -> None:
        self._role = role
        self._next_hop = next_hop
        self._codec = codec

    @property
    def state(self) -> msgspec.Struct:
        """The wrapped role's state; carrying needs none."""
        return self._role.state

    def receive(self, message: Message, ctx: Context) -> None:
        """Carries a message on, or hands it to the role."""
        if not isinstance(message, Carry):
            self._role.receive(message, _CarriedContext(ctx, ctx.sender, self._send))
        elif message.to == ctx.me:
            inner = self._codec.decode(message.payload.encode())
            self._role.receive(inner, _CarriedContext(ctx, message.origin, self._send))
        else:
            self._forward(ctx, message)

    def _send(self, ctx: Context, to: ActorId, message: Message) -> None:
        if to in ctx.neighbours:
            ctx.tell(to, message)
            return
        contract = getattr(message, "contract", ContractId(""))
        payload = self._codec.encode(message).decode()
        self._forward(ctx, Carry(origin=ctx.me, to=to, contract=contract, payload=payload))

    def _forward(self, ctx: Context, carried: Carry) -> None:
        hop = self._next_hop(ctx.me, carried.to)
        if hop is None:
            raise NotNeighbourError(sender=ctx.me, recipient=carried.to, message=carried)
        ctx.tell(hop, carried)


class _CarriedContext:
    """A context whose ``tell`` reaches everybody, and whose sender is the origin."""

    def __init__(
        self, ctx: Context, sender: ActorId, send: Callable[[Context, ActorId, Message], None]
    ) -> None:
        self._ctx = ctx
        self._send = send
        self.sender = sender
        self.me = ctx.me
        self.now = ctx.now
        self.cause = ctx.cause
        self.neighbours = ctx.neighbours

    def tell(self, to: ActorId, message: Message) -> None:
        """Send one message, by edges or by carriers."""
        self._send(self._ctx, to, message)

    def tell_all(self, to: Iterable[ActorId], message: Message) -> None:
        """Send the same message to several actors, in the order given."""
        for one in to:
            self._send(self._ctx, one, message)

    def after(self, delay: Ticks, message: Message) -> None:
        """Send myself a message later."""
        self._ctx.after(delay, message)

    def rng(self, name: str) -> Stream:
        """My stream of random numbers of that name."""
        return self._ctx.rng(name)

    def run(self, job: Message, *, takes: Ticks) -> MessageId:
        """Order real work."""
        return self._ctx.run(job, takes=takes)

    def ask(self, question: Message, *, takes: Ticks) -> MessageId:
        """Put a question to my mind."""
        return self._ctx.ask(question, takes=takes)

    def note(self, text: str) -> None:
        """Append a line to my notebook."""
        self._ctx.note(text)

    def stop(self) -> None:
        """End this actor after the current message."""
        self._ctx.stop()


def shortest_paths(graph: CoordinationGraph, roster: Roster) -> NextHop:
    """Returns routing along shortest paths; among equals the neighbour of lowest rank."""

    @lru_cache(maxsize=4096)
    def towards(target: int) -> list[int]:
        """Next hop from every rank to the target; -1 where there is none."""
        hops = [-1] * len(graph)
        frontier = [target]
        hops[target] = target
        while frontier:
            reached: list[int] = []
            for rank in frontier:
                for peer in graph.neighbours(rank):
                    if hops[peer] < 0:
                        hops[peer] = rank
                        reached.append(int(peer))
            # Ascending, so that ties go to the lowest rank whatever the order of discovery.
            frontier = sorted(reached)
        return hops

    def next_hop(here: ActorId, to: ActorId) -> ActorId | None:
        hop = towards(roster.rank(to))[roster.rank(here)]
        return roster.name(hop) if hop >= 0 else None

    return next_hop

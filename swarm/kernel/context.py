"""The context that the engine hands to a role: everything the engine holds for one actor.

There is one per actor, and a million of them must fit: what an actor may never need (its links,
its streams, its neighbours' names) is made on first use. ``tell`` is the hottest path of swarm.
"""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Literal, NamedTuple, TypeAlias

from swarm.errors import InvariantError, NotNeighbourError
from swarm.kernel.envelope import ACT, ARRIVE, PHASES, RECORD, Buckets, bucket_key
from swarm.kernel.message import COUNTER_BITS, NO_MESSAGE, ActorId, Message, MessageId
from swarm.kernel.ports import Network
from swarm.kernel.record import Noted, Stopped
from swarm.kernel.rng import Stream
from swarm.kernel.role import Context, Role
from swarm.kernel.roster import Roster
from swarm.kernel.snapshot import Frame, encode_state, restore_state
from swarm.units import Ticks

AnyRole: TypeAlias = Role[Any]
"""Any: the engine delivers whatever the codec decoded; a role's ``match`` refuses the rest."""


_LINKED_TOGETHER = 16
"""Links that an actor makes at once; in a dense graph it makes the others when it needs them."""

Link: TypeAlias = tuple[int, int, Buckets]
"""(recipient's rank, what its latency adds to a bucket key, the buckets that lead to it)."""


class Order(NamedTuple):
    """Work or a question for somebody outside the simulation, with the key of its answer."""

    sort: Literal["run", "ask"]
    due: int
    rank: int
    answer: int
    request: int
    message: Message


class Hub:
    """What all contexts of one engine share.

    Args:
        roster: Everybody in the run.
        network: Edges and latencies.
        seed: The run's seed.
        lookahead: No answer to an order comes sooner, in ticks.
        route: Gives the buckets that lead to a rank: the engine's own, or another shard's outbox.
    """

    __slots__ = (
        "_known",
        "_links",
        "cause",
        "handling",
        "lookahead",
        "network",
        "orders",
        "phase",
        "roster",
        "route",
        "seed",
    )

    def __init__(
        self,
        *,
        roster: Roster,
        network: Network,
        seed: int,
        lookahead: int,
        route: Callable[[int], Buckets],
    ) -> None:
        self.roster = roster
        self.network = network
        self.seed = seed
        self.lookahead = lookahead
        self.route = route
        self.orders: list[Order] = []
        self.phase = 0
        # About the message being handled. Kept here, not in each context: the next delivery would
        # have to free what the last one left there, a cold line of memory for every message.
        self.handling: int = NO_MESSAGE
        self.cause: int = NO_MESSAGE
        self._known: dict[int, ActorId] = {}
        self._links: dict[tuple[int, int], Link] = {}

    def name(self, rank: int) -> ActorId:
        """Returns the id at a rank: one object for all who know that actor, not one for each."""
        name = self._known.get(rank)
        if name is None:
            name = self._known[rank] = self.roster.name(rank)
        return name

    def link(self, rank: int, latency: int) -> "Link":
        """Returns how to reach a rank, shared in the same way."""
        link = self._links.get((rank, latency))
        if link is None:
            link = rank, latency * PHASES + ARRIVE, self.route(rank)
            self._links[rank, latency] = link
        return link


class ActorContext:
    """A ``Context`` whose effects go straight into the engine's buckets and orders."""

    __slots__ = (
        "_hub",
        "_last_stream",
        "_links",
        "_streams",
        "has_ordered",
        "ids",
        "me",
        "neighbours",
        "now",
        "rank",
        "receive",
        "role",
    )

    neighbours: tuple[ActorId, ...]

    def __init__(self, *, rank: int, role: AnyRole, hub: Hub) -> None:
        self.rank = rank
        self.me = hub.roster.name(rank)
        self.role = role
        self.receive: Callable[[Any, Context], None] = role.receive  # Any: see AnyRole
        self.ids = count(rank << COUNTER_BITS)
        self.now = Ticks(0)
        self._hub = hub
        self._links: dict[str, Link] = {}
        self._last_stream: Stream | None = None
        self._streams: dict[str, Stream] | None = None
        self.has_ordered = False

    def __getattr__(self, name: str) -> tuple[ActorId, ...]:
        """Makes ``neighbours`` on first use; afterwards it is an ordinary attribute."""
        if name != "neighbours":
            raise AttributeError(name)
        hub = self._hub
        self.neighbours = tuple(hub.name(rank) for rank in hub.network.peers(self.rank))
        return self.neighbours

    def tell(self, to: ActorId, message: Message) -> None:
        """Send one message along an edge."""
        try:
            dst, offset, buckets = self._links[to]
        except KeyError:
            dst, offset, buckets = self._link(to, message)
        now = self.now
        buckets[now * PHASES + offset].append(
            (dst, next(self.ids), now, self._hub.handling, message)
        )

    def tell_all(self, to: Iterable[ActorId], message: Message) -> None:
        """Send the same message to several actors, in the order given."""
        for one in to:
            self.tell(one, message)

    def after(self, delay: Ticks, message: Message) -> None:
        """Set a timer; it fires in the ``act`` phase."""
        if delay < 1 and not (delay == 0 and self._hub.phase < ACT):
            raise InvariantError(
                rule=f"timer of {self.me}",
                expected="at least one tick, or a later phase of this one",
                came=f"{delay} in phase {self._hub.phase}",
            )
        self._put(bucket_key(self.now + delay, ACT), message)

    def rng(self, name: str) -> Stream:
        """This actor's named stream."""
        stream = self._last_stream
        if stream is None or stream.name != name:
            stream = self._last_stream = self._stream(name)
        return stream

    def run(self, job: Message, *, takes: Ticks) -> MessageId:
        """Order real work."""
        return self._order("run", job, takes)

    def ask(self, question: Message, *, takes: Ticks) -> MessageId:
        """Put a question to this actor's mind."""
        return self._order("ask", question, takes)

    def note(self, text: str) -> None:
        """Append a line to this actor's notebook."""
        self._put(bucket_key(self.now, RECORD), Noted(text=text))

    def stop(self) -> None:
        """End this actor after the current message."""
        self._put(bucket_key(self.now, RECORD), Stopped())
        self.receive = _dead_letter

    @property
    def sender(self) -> ActorId:
        """Who sent the message being handled."""
        return self._hub.roster.name(self._hub.handling >> COUNTER_BITS)

    @property
    def cause(self) -> MessageId:
        """What led to the message being handled."""
        return MessageId(self._hub.cause)

    @property
    def has_acted(self) -> bool:
        """Whether the actor ever told somebody something, or ordered or asked anything."""
        return self.has_ordered or bool(self._links)

    @property
    def is_stopped(self) -> bool:
        """Whether the actor has ended itself."""
        return self.receive is _dead_letter

    def freeze(self) -> Frame:
        """Returns what a snapshot holds of this actor; only between windows."""
        next_id = next(self.ids)
        self.ids = count(next_id)
        streams = self._streams or {}
        return Frame(
            state=encode_state(self.role.state),
            next_id=next_id,
            streams=tuple((name, stream.drawn) for name, stream in streams.items()),
            has_acted=self.has_acted,
            is_stopped=self.is_stopped,
        )

    def thaw(self, frame: Frame) -> None:
        """Makes this actor, fresh from construction, what it was at a snapshot.

        Raises:
            WireError: If the frame holds no state of this role.
        """
        restore_state(self.role.state, frame.state)
        self.ids = count(frame.next_id)
        self.has_ordered = frame.has_acted
        if frame.streams:
            self._streams = {
                name: Stream(seed=self._hub.seed, owner=self.me, name=name, drawn=drawn)
                for name, drawn in frame.streams
            }
        if frame.is_stopped:
            self.receive = _dead_letter

    def _stream(self, name: str) -> Stream:
        if self._streams is None:
            self._streams = {}
        stream = self._streams.get(name)
        if stream is None:
            stream = Stream(seed=self._hub.seed, owner=self.me, name=name)
            self._streams[name] = stream
        return stream

    def _order(self, sort: Literal["run", "ask"], message: Message, takes: Ticks) -> MessageId:
        self.has_ordered = True
        request = self._put(bucket_key(self.now, RECORD), message)
        due = self.now + max(int(takes), self._hub.lookahead)
        answer = next(self.ids)
        self._hub.orders.append(Order(sort, due, self.rank, answer, request, message))
        return MessageId(request)

    def _put(self, key: int, message: Message) -> int:
        made = next(self.ids)
        buckets = self._hub.route(self.rank)
        buckets[key].append((self.rank, made, self.now, self._hub.handling, message))
        return made

    def _link(self, to: ActorId, message: Message) -> Link:
        hub = self._hub
        rank = hub.roster.rank(to)
        latency = hub.network.latency(self.rank, rank)
        if not latency:
            raise NotNeighbourError(sender=self.me, recipient=to, message=message)
        if not self._links and to in self.neighbours[:_LINKED_TOGETHER]:
            self._link_neighbours()
        link = self._links[to] = hub.link(rank, latency)
        return link

    def _link_neighbours(self) -> None:
        """Makes the first links together: who tells one neighbour soon tells the others."""
        hub, near = self._hub, self.neighbours[:_LINKED_TOGETHER]
        for to, rank in zip(near, hub.network.peers(self.rank), strict=False):
            self._links[to] = hub.link(rank, hub.network.latency(self.rank, rank))


def _dead_letter(_message: Message, _ctx: Context) -> None:
    """Receives for an actor that has stopped: the log keeps the message, nobody acts on it."""

"""The context that the engine hands to roles: one per engine, pointed at one actor at a time."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from swarm.errors import InvariantError, NotNeighbourError
from swarm.kernel.envelope import ACT, ARRIVE, PHASES, RECORD, Envelope
from swarm.kernel.message import COUNTER_BITS, ActorId, Message, MessageId
from swarm.kernel.ports import Network
from swarm.kernel.rng import Stream
from swarm.kernel.role import Role
from swarm.kernel.roster import Roster
from swarm.units import Ticks

# Any role: the engine delivers what the codec decoded and the scenario connected.
AnyRole = Role[Message]  # type: ignore[type-var, unused-ignore]


class Order(NamedTuple):
    """Work or a question for somebody outside the simulation, with the key of its answer."""

    sort: Literal["run", "ask"]
    due: int
    rank: int
    answer: int
    request: int
    message: Message


class Slot:
    """What an engine holds for one actor: its role, its counter, and what it made on first use."""

    __slots__ = ("counter", "links", "name", "peers", "rank", "role", "stopped", "streams")

    def __init__(self, rank: int, name: ActorId, role: AnyRole) -> None:
        self.rank = rank
        self.name = name
        self.role = role
        self.counter = 0
        self.stopped = False
        self.links: dict[str, tuple[int, int]] | None = None
        self.peers: tuple[ActorId, ...] | None = None
        self.streams: dict[str, Stream] | None = None


class EngineContext:
    """A ``Context`` whose effects go straight into the engine's buckets and orders.

    ``buckets`` maps a bucket key to its envelopes; ``open_bucket`` makes one and puts its key on
    the agenda. ``remote`` collects (key, envelope) for ranks that another shard hosts.
    """

    __slots__ = (
        "_base",
        "_buckets",
        "_lookahead",
        "_network",
        "_new_keys",
        "_phase",
        "_roster",
        "_seed",
        "_slot",
        "_top",
        "cause",
        "handling",
        "now",
        "orders",
        "remote",
    )

    def __init__(
        self,
        *,
        roster: Roster,
        network: Network,
        seed: int,
        lookahead: int,
        hosted: range,
        buckets: dict[int, list[Envelope]],
        new_keys: list[int],
    ) -> None:
        self._roster = roster
        self._network = network
        self._seed = seed
        self._lookahead = lookahead
        self._base, self._top = hosted.start, hosted.stop
        self._buckets = buckets
        self._new_keys = new_keys
        self._slot: Slot
        self._phase = 0
        self.now = Ticks(0)
        self.cause = MessageId(-1)
        self.handling = -1
        self.orders: list[Order] = []
        self.remote: list[tuple[int, Envelope]] = []

    @property
    def me(self) -> ActorId:
        """The id of the actor being served."""
        return self._slot.name

    @property
    def neighbours(self) -> tuple[ActorId, ...]:
        """Its peers on the coordination graph, by rank."""
        slot = self._slot
        if slot.peers is None:
            name = self._roster.name
            slot.peers = tuple(name(int(rank)) for rank in self._network.peers(slot.rank))
        return slot.peers

    def tell(self, to: ActorId, message: Message) -> None:
        """Send one message along an edge."""
        slot = self._slot
        links = slot.links
        link = links.get(to) if links is not None else None
        if link is None:
            link = self._link(slot, to, message)
        dst, latency = link
        counter = slot.counter
        slot.counter = counter + 1
        now = self.now
        key = (now + latency) * PHASES + ARRIVE
        envelope = (dst, slot.rank << COUNTER_BITS | counter, now, self.handling, message)
        if self._base <= dst < self._top:
            bucket = self._buckets.get(key)
            if bucket is None:
                self._buckets[key] = [envelope]
                self._new_keys.append(key)
            else:
                bucket.append(envelope)
        else:
            self.remote.append((key, envelope))

    def tell_all(self, to: Iterable[ActorId], message: Message) -> None:
        """Send the same message to several actors, in the order given."""
        for one in to:
            self.tell(one, message)

    def after(self, delay: Ticks, message: Message) -> None:
        """Set a timer; it fires in the ``act`` phase."""
        if delay < 1 and not (delay == 0 and self._phase < ACT):
            raise InvariantError(
                rule=f"timer of {self._slot.name}",
                expected="at least one tick, or a later phase of this one",
                came=f"{delay} in phase {self._phase}",
            )
        self._put((self.now + delay) * PHASES + ACT, self._next_id(), message)

    def rng(self, name: str) -> Stream:
        """This actor's named stream."""
        slot = self._slot
        if slot.streams is None:
            slot.streams = {}
        stream = slot.streams.get(name)
        if stream is None:
            stream = slot.streams[name] = Stream(seed=self._seed, owner=slot.name, name=name)
        return stream

    def run(self, job: Message, *, takes: Ticks) -> MessageId:
        """Order real work."""
        return self._order("run", job, takes)

    def ask(self, question: Message, *, takes: Ticks) -> MessageId:
        """Put a question to this actor's mind."""
        return self._order("ask", question, takes)

    def note(self, text: str) -> None:
        """Append a line to this actor's notebook."""
        self._record(Noted(text=text))

    def stop(self) -> None:
        """End this actor after the current message."""
        self._slot.stopped = True
        self._record(Stopped())

    def point_at(self, now: int, phase: int) -> None:
        """Sets the instant that the next deliveries belong to."""
        self.now = Ticks(now)
        self._phase = phase

    def serve(self, slot: Slot, handling: int, cause: int) -> None:
        """Sets the actor and the message being handled."""
        self._slot = slot
        self.handling = handling
        self.cause = MessageId(cause)

    def _order(self, sort: Literal["run", "ask"], message: Message, takes: Ticks) -> MessageId:
        request = self._record(message)
        due = self.now + max(int(takes), self._lookahead)
        answer = self._next_id()
        self.orders.append(Order(sort, due, self._slot.rank, answer, request, message))
        return MessageId(request)

    def _record(self, message: Message) -> int:
        made = self._next_id()
        self._put(self.now * PHASES + RECORD, made, message)
        return made

    def _next_id(self) -> int:
        slot = self._slot
        counter = slot.counter
        slot.counter = counter + 1
        return slot.rank << COUNTER_BITS | counter

    def _put(self, key: int, made: int, message: Message) -> None:
        envelope = (self._slot.rank, made, int(self.now), self.handling, message)
        bucket = self._buckets.get(key)
        if bucket is None:
            self._buckets[key] = [envelope]
            self._new_keys.append(key)
        else:
            bucket.append(envelope)

    def _link(self, slot: Slot, to: ActorId, message: Message) -> tuple[int, int]:
        rank = self._roster.rank(to)
        latency = self._network.latency(slot.rank, rank)
        if not latency:
            raise NotNeighbourError(sender=slot.name, recipient=to, message=message)
        if slot.links is None:
            slot.links = {}
        link = slot.links[to] = (rank, latency)
        return link


class Noted(Message, frozen=True, kw_only=True, tag="kernel.noted"):
    """The actor appended a line to its notebook."""

    text: str


class Stopped(Message, frozen=True, kw_only=True, tag="kernel.stopped"):
    """The actor ended itself; later messages to it are dead letters."""

"""The context of a replay: it takes down what a role does, for the scene to compare."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from swarm.errors import InvariantError, NotNeighbourError
from swarm.kernel.context import AnyRole
from swarm.kernel.envelope import ACT, ARRIVE, PHASES, RECORD
from swarm.kernel.message import COUNTER_BITS, ActorId, Message, MessageId
from swarm.kernel.record import Noted, Stopped
from swarm.kernel.rng import Stream
from swarm.kernel.role import Context
from swarm.kernel.snapshot import encode_state, restore_state
from swarm.units import Ticks

if TYPE_CHECKING:
    from swarm.runtime.replay_scene import Scene


class ReplayContext:
    """A ``Context`` whose effects are taken down."""

    __slots__ = (
        "_last_stream",
        "_leads",
        "_put_lead",
        "_put_told",
        "_scene",
        "_streams",
        "me",
        "neighbours",
        "now",
        "rank",
        "receive",
        "role",
    )

    neighbours: tuple[ActorId, ...]

    def __init__(self, rank: int, role: AnyRole, scene: "Scene") -> None:
        self.rank = rank
        self.me = scene.name(rank)
        self.role = role
        self.receive: Callable[[Any, Context], None] = role.receive  # Any: as AnyRole
        self.now = Ticks(0)
        self._scene = scene
        self._leads: dict[str, int] = {}
        self._last_stream: Stream | None = None
        self._streams: dict[str, Stream] = {}
        self._put_lead = scene.leads.append
        self._put_told = scene.told.append

    def __getattr__(self, name: str) -> tuple[ActorId, ...]:
        """Makes ``neighbours`` on first use; afterwards it is an ordinary attribute."""
        if name != "neighbours":
            raise AttributeError(name)
        scene = self._scene
        self.neighbours = tuple(scene.name(rank) for rank in scene.network.peers(self.rank))
        return self.neighbours

    def tell(self, to: ActorId, message: Message) -> None:
        """Send one message along an edge."""
        try:
            lead = self._leads[to]
        except KeyError:
            lead = self._lead(to, message)
        self._put_lead(lead)
        self._put_told(message)

    def tell_all(self, to: Iterable[ActorId], message: Message) -> None:
        """Send the same message to several actors, in the order given."""
        for one in to:
            self.tell(one, message)

    def after(self, delay: Ticks, message: Message) -> None:
        """Set a timer; it fires in the ``act`` phase."""
        phase = self._scene.handled()[0] % PHASES
        if delay < 1 and not (delay == 0 and phase < ACT):
            raise InvariantError(
                rule=f"timer of {self.me}",
                expected="at least one tick, or a later phase of this one",
                came=f"{delay} in phase {phase}",
            )
        self._scene.put(self.rank, offset_of(delay, ACT), message)

    def rng(self, name: str) -> Stream:
        """This actor's named stream."""
        stream = self._last_stream
        if stream is None or stream.name != name:
            stream = self._last_stream = self._stream(name)
        return stream

    def run(self, job: Message, *, takes: Ticks) -> MessageId:
        """Order real work; nobody does it, its answer is in the journal."""
        return MessageId(self._scene.order("run", self.rank, job, takes))

    def ask(self, question: Message, *, takes: Ticks) -> MessageId:
        """Put a question; no mind hears it."""
        return MessageId(self._scene.order("ask", self.rank, question, takes))

    def note(self, text: str) -> None:
        """Append a line to this actor's notebook."""
        self._scene.put(self.rank, RECORD, Noted(text=text))

    def stop(self) -> None:
        """End this actor after the current message."""
        self._scene.put(self.rank, RECORD, Stopped())
        self.stop_receiving()

    def take_over(self, role: AnyRole) -> None:
        """Goes on as another role of the same kind, in the state that the old one is in."""
        restore_state(role.state, encode_state(self.role.state))
        self.role = role
        if self.receive is not _dead_letter:
            self.receive = role.receive

    def stop_receiving(self) -> None:
        """Makes whatever still comes a dead letter."""
        self.receive = _dead_letter

    @property
    def sender(self) -> ActorId:
        """Who sent the message being handled."""
        return self._scene.name(self._scene.handled()[1] >> COUNTER_BITS)

    @property
    def cause(self) -> MessageId:
        """What led to the message being handled."""
        return MessageId(self._scene.handled()[2])

    def _stream(self, name: str) -> Stream:
        stream = self._streams.get(name)
        if stream is None:
            stream = Stream(seed=self._scene.seed, owner=self.me, name=name)
            self._streams[name] = stream
        return stream

    def _lead(self, to: ActorId, message: Message) -> int:
        scene = self._scene
        rank = scene.roster.rank(to)
        latency = scene.network.latency(self.rank, rank)
        if not latency:
            raise NotNeighbourError(sender=self.me, recipient=to, message=message)
        lead = self._leads[to] = scene.lead(rank, offset_of(latency, ARRIVE))
        return lead


def offset_of(ticks: int, phase: int) -> int:
    """Returns what is added to the key of this instant's phase 0."""
    return ticks * PHASES + phase


def _dead_letter(_message: Message, _ctx: Context) -> None:
    """Receives for an actor that has stopped."""

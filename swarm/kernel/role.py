"""What a role is: a pure reaction from (state, message) to effects on a context."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec

from swarm.kernel.message import ActorId, Message, MessageId
from swarm.kernel.rng import Stream
from swarm.units import Ticks

InboxT_contra = TypeVar("InboxT_contra", contravariant=True)


class Context(Protocol):
    """All a role may touch. Every call is recorded as an effect; nothing else exists."""

    @property
    def me(self) -> ActorId:
        """The id of the actor this role is running as."""

    @property
    def now(self) -> Ticks:
        """Virtual time, in seconds; the same for every message of one bucket."""

    @property
    def cause(self) -> MessageId:
        """What led to the message being handled: for an answer, what ``run`` or ``ask`` gave."""

    @property
    def sender(self) -> ActorId:
        """Who sent the message being handled; myself for timers, answers and the start."""

    @property
    def neighbours(self) -> tuple[ActorId, ...]:
        """Actors one edge away on the coordination graph (service edges apart), by rank."""

    def tell(self, to: ActorId, message: Message) -> None:
        """Send one message, fire and forget; it arrives after the latency of the edge."""

    def tell_all(self, to: Iterable[ActorId], message: Message) -> None:
        """Send the same message to several actors, in the order given."""

    def after(self, delay: Ticks, message: Message) -> None:
        """Send myself a message later, at least one tick; it comes after that tick's arrivals."""

    def rng(self, name: str) -> Stream:
        """My stream of random numbers of that name: the same in every run of one seed."""

    def run(self, job: Message, *, takes: Ticks) -> MessageId:
        """Order real work; its result comes back as a message when ``takes`` ticks are over.

        The answer's ``cause`` is the id returned here. ``takes`` is at least the lookahead; a
        smaller value is raised to it.
        """

    def ask(self, question: Message, *, takes: Ticks) -> MessageId:
        """Put a question to my mind; its answer comes back as for ``run``."""

    def note(self, text: str) -> None:
        """Append a line to my markdown notebook."""

    def stop(self) -> None:
        """End this actor after the current message; what still reaches it is a dead letter."""


class Role(Protocol[InboxT_contra]):
    """A behaviour. An actor is a role plus an id and a mailbox.

    Everything on the object but ``state`` is configuration and never changes after construction.
    """

    @property
    def state(self) -> msgspec.Struct:
        """All it remembers: a Struct that encodes to JSON and back, which a snapshot holds."""

    def receive(self, message: InboxT_contra, ctx: Context) -> None:
        """React to one message. Must not block, sleep, or read a clock."""

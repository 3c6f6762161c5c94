"""Test doubles shipped with the package: fakes that obey the real contracts."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from swarm.kernel.message import NO_MESSAGE, ActorId, Message, MessageId, message_id
from swarm.kernel.rng import Stream
from swarm.units import Ticks


@dataclass
class FakeContext:
    """A ``Context`` that only records. Compare ``effects`` with ``==``.

    Set ``now`` and ``cause`` as the test needs; ``run`` and ``ask`` return ids that count up from
    one, so the first answer's cause is ``MessageId(1)``.
    """

    me: ActorId
    neighbours: tuple[ActorId, ...] = ()
    now: Ticks = field(default_factory=lambda: Ticks(0))
    cause: MessageId = NO_MESSAGE
    sender: ActorId = field(default_factory=lambda: ActorId(""))
    seed: int = 0
    effects: list[tuple[object, ...]] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)
    ordered: int = 0
    timers: list[tuple[int, Message]] = field(default_factory=list)
    """(due, message) of timers that have not fired."""

    def tell(self, to: ActorId, message: Message) -> None:
        self.effects.append(("tell", to, message))

    def tell_all(self, to: Iterable[ActorId], message: Message) -> None:
        for one in to:
            self.tell(one, message)

    def after(self, delay: Ticks, message: Message) -> None:
        self.effects.append(("after", delay, message))
        self.timers.append((self.now + delay, message))

    def rng(self, name: str) -> Stream:
        if name not in self.streams:
            self.streams[name] = Stream(seed=self.seed, owner=self.me, name=name)
        return self.streams[name]

    def run(self, job: Message, *, takes: Ticks) -> MessageId:
        return self._order("run", job, takes)

    def ask(self, question: Message, *, takes: Ticks) -> MessageId:
        return self._order("ask", question, takes)

    def note(self, text: str) -> None:
        self.effects.append(("note", text))

    def stop(self) -> None:
        self.effects.append(("stop",))

    def jump(self) -> list[Message]:
        """Moves ``now`` to the next timer that was set and returns what is due then, in order.

        The virtual clock of role tests: nothing waits. Timers that fired are not returned again.
        """
        due = [at for at, _ in self.timers]
        if not due:
            return []
        self.now = Ticks(max(self.now, min(due)))
        fired = [message for at, message in self.timers if at <= self.now]
        self.timers = [(at, message) for at, message in self.timers if at > self.now]
        return fired

    def drain(self) -> list[tuple[object, ...]]:
        """Return the effects so far and forget them."""
        taken, self.effects = self.effects, []
        return taken

    def told(self, to: ActorId) -> list[Message]:
        """Return the messages told to one actor since the last drain."""
        return [m for kind, who, m in self._tells() if who == to and kind == "tell"]

    def _tells(self) -> Iterable[tuple[str, ActorId, Message]]:
        for effect in self.effects:
            match effect:
                case ("tell", str(who), Message() as message):
                    yield "tell", ActorId(who), message
                case _:
                    continue

    def _order(self, sort: str, message: Message, takes: Ticks) -> MessageId:
        self.ordered += 1
        self.effects.append((sort, message, takes))
        return message_id(0, self.ordered)

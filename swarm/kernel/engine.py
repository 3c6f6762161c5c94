"""The engine: delivers the events of a set of actors, window by window.

One engine is one logical process of a conservative parallel discrete-event simulation: every edge
takes at least the lookahead, so all that is due inside a window no longer than that can be
delivered without hearing from any other engine. Batches are exchanged between windows.

Source: R. M. Fujimoto, "Parallel and Distributed Simulation Systems" (2000), chapter 3.
Deviation: windows are synchronous and start at the earliest event of all engines, so idle time is
skipped; no null messages.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from swarm.errors import SwarmError
from swarm.kernel.context import AnyRole, EngineContext, Order, Slot
from swarm.kernel.envelope import ARRIVE, PHASES, RECORD, RELEASE, Envelope, bucket_key
from swarm.kernel.message import COUNTER_BITS, NO_MESSAGE, Message
from swarm.kernel.ports import Decode, Network, Sink
from swarm.kernel.roster import Roster

_STORY = 8


class Engine:
    """Hosts the actors of a contiguous range of ranks.

    Args:
        roster: Everybody in the run.
        network: Edges and latencies.
        roles: A role per hosted rank, in order.
        hosted: The ranks of this engine.
        seed: The run's seed.
        lookahead: The longest window, in ticks; no edge is shorter.
        sink: Takes every delivered bucket.
        decode: Used for messages that arrive encoded.
        reorder: Applied to each bucket before it is sorted; the tests shuffle with it.
    """

    def __init__(
        self,
        *,
        roster: Roster,
        network: Network,
        roles: Iterable[AnyRole],
        hosted: range,
        seed: int,
        lookahead: int,
        sink: Sink,
        decode: Decode,
        reorder: Callable[[list[Envelope]], None] | None = None,
    ) -> None:
        self.hosted = hosted
        self.delivered = 0
        self.dead_letters = 0
        self.acted = 0
        self._sink = sink
        self._decode = decode
        self._reorder = reorder
        self._buckets: dict[int, list[Envelope]] = {}
        self._agenda: list[int] = []
        self._new_keys: list[int] = []
        self.slots = [
            Slot(rank, roster.name(rank), role) for rank, role in zip(hosted, roles, strict=True)
        ]
        self._ctx = EngineContext(
            roster=roster,
            network=network,
            seed=seed,
            lookahead=lookahead,
            hosted=hosted,
            buckets=self._buckets,
            new_keys=self._new_keys,
        )

    def start(self, message: Message, ranks: Iterable[int]) -> None:
        """Puts a first message, from each actor to itself, at the beginning of time."""
        for rank in ranks:
            slot = self.slots[rank - self.hosted.start]
            made = rank << COUNTER_BITS | slot.counter
            slot.counter += 1
            self._put(bucket_key(0, ARRIVE), (rank, made, 0, NO_MESSAGE, message))

    def accept(self, batch: Iterable[tuple[int, Envelope]]) -> None:
        """Takes (bucket key, envelope) pairs from other engines."""
        for key, envelope in batch:
            self._put(key, envelope)

    def answer(self, order: Order, payload: bytes) -> None:
        """Takes the answer to an order; it is due when the order said."""
        key = bucket_key(order.due, RELEASE)
        sent = int(order.due)
        self._put(key, (order.rank, order.answer, sent, order.request, payload))

    def next_due(self) -> int | None:
        """Returns the instant of the earliest event held here, or None."""
        self._merge_keys()
        return self._agenda[0] // PHASES if self._agenda else None

    def run_window(self, end: int) -> tuple[list[tuple[int, Envelope]], list[Order]]:
        """Delivers everything due before ``end``.

        Returns:
            What is for other engines, and what was ordered, both in a canonical order.

        Raises:
            SwarmError: What a role raised, with the last envelopes of that actor as notes.
        """
        limit = end * PHASES
        self._merge_keys()
        agenda = self._agenda
        while agenda and agenda[0] < limit:
            key = heappop(agenda)
            bucket = self._buckets.pop(key)
            if self._reorder is not None:
                self._reorder(bucket)
            bucket.sort()
            due, phase = divmod(key, PHASES)
            if phase != RECORD:
                self._deliver(due, phase, bucket)
            self._sink.write(due, phase, bucket)
            self.delivered += len(bucket)
            self._merge_keys()
        ctx = self._ctx
        remote, orders = ctx.remote, ctx.orders
        ctx.remote, ctx.orders = [], []
        return remote, orders

    def _deliver(self, due: int, phase: int, bucket: list[Envelope]) -> None:
        ctx, slots, base, decode = self._ctx, self.slots, self.hosted.start, self._decode
        serve = ctx.serve
        ctx.point_at(due, phase)
        for envelope in bucket:
            dst, made, _, cause, message = envelope
            slot = slots[dst - base]
            if slot.stopped:
                self.dead_letters += 1
                continue
            if type(message) is bytes:
                message = decode(message)  # noqa: PLW2901  the envelope keeps the encoding
            serve(slot, made, cause)
            try:
                slot.role.receive(message, ctx)  # type: ignore[arg-type]  # decoded just above
            except SwarmError as error:
                self._tell_story(error, envelope, due, bucket)
                raise
            except Exception as error:
                self._tell_story(error, envelope, due, bucket)
                raise

    def _tell_story(
        self, error: Exception, envelope: Envelope, due: int, bucket: list[Envelope]
    ) -> None:
        slot = self.slots[envelope[0] - self.hosted.start]
        error.add_note(f"raised by {slot.name} at tick {due}, handling {envelope[4]!r:.500}")
        same = [one for one in bucket if one[0] == envelope[0] and one[1] < envelope[1]]
        for one in same[-_STORY:]:
            error.add_note(f"before it, at the same tick: {one[4]!r:.300}")

    def _put(self, key: int, envelope: Envelope) -> None:
        bucket = self._buckets.get(key)
        if bucket is None:
            self._buckets[key] = [envelope]
            self._new_keys.append(key)
        else:
            bucket.append(envelope)

    def _merge_keys(self) -> None:
        if self._new_keys:
            for key in self._new_keys:
                heappush(self._agenda, key)
            self._new_keys.clear()

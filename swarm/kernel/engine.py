"""The engine: delivers the events of a set of actors, window by window.

One engine is one logical process of a conservative parallel discrete-event simulation: every edge
takes at least the lookahead, so all that is due inside a window no longer than that can be
delivered without hearing from any other engine. Batches are exchanged between windows.

Source: R. M. Fujimoto, "Parallel and Distributed Simulation Systems" (2000), chapter 3.
Deviation: windows are synchronous and start at the earliest event of all engines, so idle time is
skipped; no null messages.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import TypeAlias

from swarm.kernel.context import ActorContext, AnyRole, Hub, Order
from swarm.kernel.envelope import ARRIVE, PHASES, RECORD, RELEASE, Buckets, Envelope, bucket_key
from swarm.kernel.message import NO_MESSAGE, Message
from swarm.kernel.ports import Network, Sink
from swarm.kernel.roster import Roster

Batch: TypeAlias = list[tuple[int, list[Envelope]]]
"""Envelopes for another shard: (bucket key, envelopes), ascending by key."""

_STORY = 8


class Engine:
    """Hosts the actors of one shard: a contiguous range of ranks.

    Args:
        roster: Everybody in the run.
        network: Edges and latencies.
        role_at: Builds the role of a rank; called once for each hosted rank.
        shards: The ranks of every shard, ascending and without gaps.
        shard: Which of them this engine hosts.
        seed: The run's seed.
        lookahead: The longest window, in ticks; no edge is shorter.
        sink: Takes every delivered bucket.
        reorder: Applied to each bucket before it is sorted; the tests shuffle with it.
    """

    def __init__(
        self,
        *,
        roster: Roster,
        network: Network,
        role_at: Callable[[int], AnyRole],
        shards: Sequence[range],
        shard: int,
        seed: int,
        lookahead: int,
        sink: Sink,
        reorder: Callable[[list[Envelope]], None] | None = None,
    ) -> None:
        self.hosted = shards[shard]
        self.delivered = 0
        self._sink = sink
        self._reorder = reorder
        self._shard = shard
        self._starts = [ranks.start for ranks in shards]
        self._agenda: list[int] = []
        self._new_keys: list[int] = []
        self._buckets = Buckets(self._new_keys.append)
        self._routes = [Buckets(_ignore) for _ in shards]
        self._routes[shard] = self._buckets
        self._hub = Hub(
            roster=roster, network=network, seed=seed, lookahead=lookahead, route=self._route
        )
        self.contexts = [
            ActorContext(rank=rank, role=role_at(rank), hub=self._hub) for rank in self.hosted
        ]

    def start(self, message: Message, ranks: Iterable[int]) -> None:
        """Puts a first message, from each actor to itself, at the beginning of time."""
        for rank in ranks:
            ctx = self.contexts[rank - self.hosted.start]
            self._buckets[bucket_key(0, ARRIVE)].append(
                (rank, next(ctx.ids), 0, NO_MESSAGE, message)
            )

    def accept(self, batch: Batch) -> None:
        """Takes what another engine sent here."""
        for key, envelopes in batch:
            self._buckets[key] += envelopes

    def answer(self, order: Order, message: Message) -> None:
        """Takes the answer to an order; it is due when the order said."""
        key = bucket_key(order.due, RELEASE)
        self._buckets[key].append((order.rank, order.answer, order.due, order.request, message))

    def in_flight(self) -> Batch:
        """Returns what is still to be delivered here, ascending by key; only between windows."""
        return sorted(self._buckets.items())

    def next_due(self) -> int | None:
        """Returns the instant of the earliest event held here, or None."""
        self._merge_keys()
        return self._agenda[0] // PHASES if self._agenda else None

    def run_window(self, end: int) -> tuple[dict[int, Batch], list[Order]]:
        """Delivers everything due before ``end``.

        Returns:
            A batch for each shard that gets something, and what was ordered.

        Raises:
            Exception: What a role raised, with the last envelopes of that actor as notes.
        """
        limit = end * PHASES
        agenda = self._agenda
        self._merge_keys()
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
        orders, self._hub.orders = self._hub.orders, []
        return self._collect(), orders

    def _deliver(self, due: int, phase: int, bucket: list[Envelope]) -> None:
        contexts, base, hub = self.contexts, self.hosted.start, self._hub
        hub.phase = phase
        dst = made = 0
        message: Message | None = None
        try:
            for dst, made, _, hub.cause, message in bucket:
                ctx = contexts[dst - base]
                ctx.now = due  # type: ignore[assignment]  # an int here is a tick
                hub.handling = made
                ctx.receive(message, ctx)
        except Exception as error:
            name = contexts[dst - base].me
            error.add_note(f"raised by {name} at tick {due}, handling {message!r:.500}")
            before = [one[4] for one in bucket if one[0] == dst and one[1] < made]
            for earlier in before[-_STORY:]:
                error.add_note(f"before it, at the same tick: {earlier!r:.300}")
            raise

    def _collect(self) -> dict[int, Batch]:
        batches: dict[int, Batch] = {}
        for shard, outbox in enumerate(self._routes):
            if shard != self._shard and outbox:
                batches[shard] = sorted(outbox.items())
                outbox.clear()
        return batches

    def _route(self, rank: int) -> Buckets:
        return self._routes[bisect_right(self._starts, rank) - 1]

    def _merge_keys(self) -> None:
        for key in self._new_keys:
            heappush(self._agenda, key)
        self._new_keys.clear()


def _ignore(_key: int) -> None:
    """An outbox has no agenda."""

"""The coordinator: opens one window after the other until the lab comes to rest.

It knows nothing of roles. It asks where the earliest event is, has the answers that fall due in
the next window journalled and delivered, lets all shards run it, and hands new orders to the desk.
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from swarm.comms.journal import JournalWriter, Record
from swarm.kernel.context import Order
from swarm.kernel.message import Message
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.desk import Desk
from swarm.runtime.shard import Closing, WindowReport
from swarm.runtime.snapshots import (
    ChunkNote,
    Head,
    frame_orders,
    frame_watched,
    thaw_orders,
    thaw_watched,
)


class ShardHost(Protocol):
    """Where the shards of a run live."""

    ranges: Sequence[range]

    def first_due(self) -> int | None:
        """Returns the earliest instant held anywhere before the first window."""

    def run_window(
        self, end: int, answers: Mapping[int, Sequence[tuple[Order, bytes]]]
    ) -> list[WindowReport]:
        """Runs a window on every shard; ``answers`` are by shard."""

    def snapshot(self, into: Path) -> list[ChunkNote]:
        """Has every shard write what it is into a folder; only between windows."""

    def close(self) -> list[Closing]:
        """Seals everything; the shards are not used afterwards."""


@dataclass
class Progress:
    """Where a run stands; what the console shows."""

    now: int = 0
    end: int = 0
    windows: int = 0
    messages: int = 0
    watched: list[tuple[int, Message]] = field(default_factory=list)


class Coordinator:
    """Runs windows.

    Args:
        blueprint: What runs.
        host: Where the shards are.
        desk: Who carries out orders.
        journal: Where answers are written before they are delivered; None keeps none.
        on_window: Called after every window.
        at_barrier: Called between windows, with what is needed to go on from here.
        start: Where to go on; None for the beginning.
        recorded: Ids of the answers that the journal holds already, and will not get again.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        host: ShardHost,
        desk: Desk,
        journal: JournalWriter | None,
        on_window: Callable[[Progress], None] = lambda _: None,
        at_barrier: Callable[["Coordinator"], None] = lambda _: None,
        start: Head | None = None,
        recorded: Container[int] = frozenset(),
    ) -> None:
        self.progress = Progress()
        self._recorded = recorded
        self._at_barrier = at_barrier
        self._delivered_before = 0
        self._blueprint = blueprint
        self._host = host
        self._desk = desk
        self._journal = journal
        self._on_window = on_window
        self._pending: list[tuple[int, int, Order]] = []
        self._starts = [ranks.start for ranks in host.ranges]
        if start is not None:
            self._go_on(start)

    def freeze(self) -> Head:
        """Returns what a snapshot holds of a run, the shards' chunks apart; between windows."""
        progress = self.progress
        return Head(
            windows=progress.windows,
            now=progress.now,
            end=progress.end,
            messages=progress.messages,
            watched=frame_watched(progress.watched),
            pending=frame_orders(order for _, _, order in self._pending),
            desk=self._desk.freeze(),
            journal_bytes=0 if self._journal is None else self._journal.n_bytes,
        )

    def run(self, *, stop_at: int | None = None) -> bool:
        """Runs until nothing is due any more, or the blueprint's ``until``.

        Args:
            stop_at: Ends before the window that would reach beyond this instant, if given.

        Returns:
            Whether the lab came to rest; False if it was cut off.
        """
        next_due = self._host.first_due()
        until = self._blueprint.until
        while True:
            due = self._earliest(next_due)
            if due is None or (until is not None and due >= until):
                return due is None
            end = due + self._blueprint.lookahead
            if until is not None:
                end = min(end, until)
            if stop_at is not None and end > stop_at:
                return False
            reports = self._host.run_window(end, self._answers_before(end))
            next_due = self._after_window(due, end, reports)
            self._at_barrier(self)

    def _go_on(self, start: Head) -> None:
        progress = self.progress
        progress.now, progress.end = start.now, start.end
        progress.windows, progress.messages = start.windows, start.messages
        progress.watched = thaw_watched(start.watched)
        self._delivered_before = start.messages
        orders = thaw_orders(start.pending)
        self._pending = [(order.due, order.answer, order) for order in orders]
        heapq.heapify(self._pending)
        self._desk.reopen(orders)

    def _earliest(self, next_due: int | None) -> int | None:
        if not self._pending:
            return next_due
        answer = self._pending[0][0]
        return answer if next_due is None else min(next_due, answer)

    def _answers_before(self, end: int) -> dict[int, list[tuple[Order, bytes]]]:
        orders: list[Order] = []
        while self._pending and self._pending[0][0] < end:
            orders.append(heapq.heappop(self._pending)[2])
        answers = self._desk.answers(orders)
        if self._journal is not None:
            self._journal.append(
                _record(order, payload)
                for order, payload in answers
                if order.answer not in self._recorded
            )
        by_shard: dict[int, list[tuple[Order, bytes]]] = {}
        for order, payload in answers:
            shard = bisect_right(self._starts, order.rank) - 1
            by_shard.setdefault(shard, []).append((order, payload))
        return by_shard

    def _after_window(self, due: int, end: int, reports: Sequence[WindowReport]) -> int | None:
        orders = [order for report in reports for order in report.orders]
        self._desk.submit(orders)
        for order in orders:
            heapq.heappush(self._pending, (order.due, order.answer, order))
        progress = self.progress
        progress.now, progress.end = due, end
        progress.windows += 1
        delivered = sum(report.delivered for report in reports)
        progress.messages = self._delivered_before + delivered
        seen = [one for report in reports for one in report.watched]
        progress.watched += sorted(seen, key=lambda one: one[0])
        self._on_window(progress)
        dues = [report.next_due for report in reports if report.next_due is not None]
        return min(dues, default=None)


def _record(order: Order, payload: bytes) -> Record:
    return Record(
        id=order.answer,
        request=order.request,
        due=order.due,
        rank=order.rank,
        sort=order.sort,
        answer=msgspec.Raw(payload),
    )

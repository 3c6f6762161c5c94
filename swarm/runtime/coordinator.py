"""The coordinator: opens one window after the other until the lab comes to rest.

It knows nothing of roles. It asks where the earliest event is, has the answers that fall due in
the next window journalled and delivered, lets all shards run it, and hands new orders to the desk.
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from swarm.comms.journal import JournalWriter, Record
from swarm.kernel.context import Order
from swarm.kernel.message import Message
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.desk import Desk
from swarm.runtime.shard import Closing, WindowReport


class ShardHost(Protocol):
    """Where the shards of a run live."""

    ranges: Sequence[range]

    def first_due(self) -> int | None:
        """Returns the earliest instant held anywhere before the first window."""

    def run_window(
        self, end: int, answers: Mapping[int, Sequence[tuple[Order, bytes]]]
    ) -> list[WindowReport]:
        """Runs a window on every shard; ``answers`` are by shard."""

    def close(self) -> list[Closing]:
        """Seals everything; the shards are not used afterwards."""


@dataclass
class Progress:
    """Where a run stands; what the console shows."""

    now: int = 0
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
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        host: ShardHost,
        desk: Desk,
        journal: JournalWriter | None,
        on_window: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self.progress = Progress()
        self._blueprint = blueprint
        self._host = host
        self._desk = desk
        self._journal = journal
        self._on_window = on_window
        self._pending: list[tuple[int, int, Order]] = []
        self._starts = [ranks.start for ranks in host.ranges]

    def run(self) -> bool:
        """Runs until nothing is due any more, or the blueprint's ``until``.

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
            reports = self._host.run_window(end, self._answers_before(end))
            next_due = self._after_window(due, reports)

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
            self._journal.append(_record(order, payload) for order, payload in answers)
        by_shard: dict[int, list[tuple[Order, bytes]]] = {}
        for order, payload in answers:
            shard = bisect_right(self._starts, order.rank) - 1
            by_shard.setdefault(shard, []).append((order, payload))
        return by_shard

    def _after_window(self, due: int, reports: Sequence[WindowReport]) -> int | None:
        orders = [order for report in reports for order in report.orders]
        self._desk.submit(orders)
        for order in orders:
            heapq.heappush(self._pending, (order.due, order.answer, order))
        progress = self.progress
        progress.now = due
        progress.windows += 1
        progress.messages = sum(report.delivered for report in reports)
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

"""The journal's side of a replay: answers that are checked before anybody hears them."""

from collections.abc import Collection, Mapping
from pathlib import Path

from swarm.comms.codec import Codec
from swarm.comms.journal import Record, read_journal_text
from swarm.errors import SwarmError, WireError
from swarm.kernel.envelope import PHASES, RELEASE
from swarm.kernel.message import COUNTER_BITS, Message
from swarm.runtime.replay_match import Mismatch
from swarm.runtime.replay_rows import Row
from swarm.runtime.replay_scene import Answered


class Answers:
    """Reads a journal as far as it is whole.

    Args:
        path: The journal.
        codec: Decodes the answers.
    """

    def __init__(self, path: Path, codec: Codec) -> None:
        self.messages: dict[int, Message] = {}
        """The answers by their ids."""
        self.problems: list[str] = []
        self._records: dict[int, Record] = {}
        try:
            text = read_journal_text(path)
        except SwarmError as unreadable:
            self.problems.append(str(unreadable))
            return
        if text.problem is not None:
            kept = f"{len(text.behind):,} answers behind it are whole and were used"
            self.problems.append(f"{text.problem}; {kept}")
        for record in (*text.records, *text.behind):
            self._take(record, codec)

    def check(
        self,
        orders: Mapping[int, Answered],
        unrecorded: Collection[Row],
        *,
        key: int,
        rank: int | None,
    ) -> Mismatch | None:
        """Compares what was ordered with what was answered, up to a bucket key.

        Args:
            orders: What the replay ordered, by the id of the answer.
            unrecorded: Answers in the log that the journal does not hold.
            key: What is due later is not compared.
            rank: The only actor that was replayed; None for all.
        """
        found: list[Mismatch] = []
        if unrecorded and self.problems:
            self.problems.append(
                f"{len(unrecorded):,} answers were taken from the log, because the journal has"
                " lost them"
            )
        elif unrecorded:
            first = min(unrecorded, key=lambda row: (row.key, row.dst, row.id))
            place = first.key, first.dst, first.id
            found.append(Mismatch(place, "the journal does not hold this answer", first, None))
        for record in self._records.values():
            due = record.due * PHASES + RELEASE
            if due > key or (rank is not None and record.rank != rank):
                continue
            if (wrong := _wrong(record, orders.get(record.id))) is not None:
                place = due, record.rank, record.id
                found.append(Mismatch(place, wrong, None, None, record.request))
        return min(found, key=lambda one: one.place, default=None)

    def _take(self, record: Record, codec: Codec) -> None:
        known = self._records.setdefault(record.id, record)
        if known is not record and known != record:
            self.problems.append(
                f"the journal has two different answers under id {record.id}; the first counts"
            )
            return
        try:
            self.messages[record.id] = codec.decode(bytes(record.answer))
        except WireError as wrong:
            self.problems.append(f"the journal's answer {record.id} cannot be read: {wrong}")
            del self._records[record.id]


def _wrong(record: Record, order: Answered | None) -> str | None:
    if order is None:
        return f"the journal holds an answer that nobody ordered (to {record.request})"
    recorded = Answered(record.sort, record.request, record.due, record.rank)
    if order == recorded and record.id >> COUNTER_BITS == record.rank:
        return None
    return f"the journal holds the answer to {recorded}, but the actor made {order}"

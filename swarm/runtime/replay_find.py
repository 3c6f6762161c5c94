"""Tells the story of a divergence: one more reading of the log, for the rows around it."""

from collections import deque
from pathlib import Path

import numpy as np

from swarm.comms.log_reader import LogReader
from swarm.kernel.envelope import PHASES, RECORD
from swarm.kernel.message import COUNTER_BITS
from swarm.kernel.roster import Roster
from swarm.runtime.manifest import Facts
from swarm.runtime.replay_match import Mismatch
from swarm.runtime.replay_report import Divergence, Told
from swarm.runtime.replay_rows import Row, Rows

STORY = 5
"""Messages that the actor got before."""


def describe(mismatch: Mismatch, run: Path, facts: Facts, roster: Roster) -> Divergence:
    """Finds sequence numbers, what the actor was handling, and what it got before."""
    story = _Story(mismatch, roster)
    reader = LogReader(
        run / "messages",
        n_shards=facts.host.shards,
        n_messages=facts.summary.messages if facts.is_whole else None,
    )
    for piece in reader.pieces():
        story.read(Rows(piece.rows), piece.first)
        if piece.key > mismatch.place[0]:
            break
    return story.tell()


class _Story:
    """Gathers rows around a mismatch."""

    def __init__(self, mismatch: Mismatch, roster: Roster) -> None:
        self._mismatch, self._roster = mismatch, roster
        rows = mismatch.produced, mismatch.expected
        causes = [row.cause for row in rows if row is not None]
        self._handling = mismatch.handling if mismatch.handling is not None else causes[:1][0]
        source = mismatch.produced or mismatch.expected
        self._actor = mismatch.place[1] if source is None else source.id >> COUNTER_BITS
        self._seq = 0
        self._on_record: tuple[int, Row] | None = None
        self._because: tuple[int, Row] | None = None
        self._before: deque[tuple[int, Row]] = deque(maxlen=STORY + 1)

    def read(self, rows: Rows, first: int) -> None:
        """Takes the next rows of the log."""
        key, dst, message = self._mismatch.place
        is_before = (rows.key < key) | (
            (rows.key == key) & ((rows.dst < dst) | ((rows.dst == dst) & (rows.id < message)))
        )
        self._seq += int(is_before.sum())
        for at in np.flatnonzero(rows.id == message)[:1].tolist():
            self._on_record = first + at, rows.row(at)
        got = is_before & (rows.dst == self._actor) & (rows.key % PHASES != RECORD)
        if self._because is None:
            for at in np.flatnonzero(rows.id == self._handling)[:1].tolist():
                self._because = first + at, rows.row(at)
                got[at + 1 :] = False
            for at in np.flatnonzero(got)[-STORY - 1 :].tolist():
                self._before.append((first + at, rows.row(at)))

    def tell(self) -> Divergence:
        """Puts it together."""
        mismatch = self._mismatch
        before = [told for told in self._before if told != self._because][-STORY:]
        expected = mismatch.expected
        number = self._on_record[0] if self._on_record else None
        return Divergence(
            seq=self._seq if expected is None or number is None else number,
            due=mismatch.place[0] // PHASES,
            actor=self._name(self._actor),
            what=mismatch.what,
            expected=None if expected is None else self._told(number, expected),
            produced=None if mismatch.produced is None else self._told(None, mismatch.produced),
            because=None if self._because is None else self._told(*self._because),
            before=tuple(self._told(*one) for one in before),
        )

    def _told(self, seq: int | None, row: Row) -> Told:
        due, phase = divmod(row.key, PHASES)
        return Told(
            seq=seq,
            id=row.id,
            due=due,
            phase=phase,
            sent=row.sent,
            sender=self._name(row.id >> COUNTER_BITS),
            recipient=self._name(row.dst),
            cause=row.cause,
            kind=row.kind,
            contract=row.contract,
            payload=row.payload,
        )

    def _name(self, rank: int) -> str:
        return self._roster.name(rank) if 0 <= rank < len(self._roster) else f"actor {rank}"

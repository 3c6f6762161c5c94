"""Holds what a replay produced against what is on record, a piece of the log at a time.

The rule: a batch whose columns and bytes are equal is never looked at row by row. Only when one
differs is the first row found that does, in canonical order of the log.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from swarm.comms.codec import Codec, tag_of
from swarm.kernel.message import Message
from swarm.runtime.replay_rows import BATCH_ROWS, Ints, Row, Rows, one_chunk
from swarm.runtime.replay_scene import Effects

Place: TypeAlias = tuple[int, int, int]
"""(bucket key, recipient's rank, id): where a row stands in canonical order."""

_WORDS = {"key": "due", "dst": "recipient"}
"""What people call some columns of a row."""


class Mismatch(NamedTuple):
    """The first place at which record and replay part."""

    place: Place
    what: str
    expected: Row | None
    produced: Row | None
    handling: int | None = None
    """Id of what the actor was handling; None if the rows say it."""


class Matcher:
    """Keeps what was produced until it is due on record.

    Args:
        codec: Encodes what was produced.
    """

    def __init__(self, codec: Codec) -> None:
        self.unrecorded: list[Row] = []
        """Answers that are in the log and not in the journal."""
        self._codec = codec
        self._tags = list(codec.by_tag)
        self._types = {kind: i for i, kind in enumerate(codec.by_tag.values())}
        self._with_contract = {kind for kind in self._types if "contract" in kind.__struct_fields__}
        self._waiting = np.empty((5, 0), dtype=np.int64)
        self._told: list[Message | None] = []

    def add(self, effects: Effects) -> None:
        """Takes what was produced."""
        new = np.stack(effects[:5])
        self._waiting = np.concatenate([self._waiting, new], axis=1)
        self._told += effects.messages

    def forget(self, message: int) -> None:
        """Lets go of what was produced and then lost on purpose."""
        kept = np.flatnonzero(self._waiting[0] != message)
        self._told = [self._told[i] for i in kept.tolist()]
        self._waiting = self._waiting[:, kept]

    def match(self, rows: Rows, messages: Sequence[Message], key: int) -> Mismatch | None:
        """Compares rows with what was produced, up to a bucket key.

        Args:
            rows: What is on record: all rows up to that key that were not matched before.
            messages: The same, decoded.
            key: What was produced for later goes on waiting.
        """
        is_ready = self._waiting[1] <= key
        ready = np.flatnonzero(is_ready)
        by_record = np.argsort(rows.id, kind="stable")
        by_id = ready[np.argsort(self._waiting[0, ready], kind="stable")]
        if len(ready) != len(rows) or not _equal(rows.id[by_record], self._waiting[0, by_id]):
            return self._search(rows, is_ready)
        order = np.empty_like(by_id)
        order[by_record] = by_id
        columns = (rows.key, rows.dst, rows.sent, rows.cause)
        for mine, theirs in zip(self._waiting[1:, order], columns, strict=True):
            if not _equal(mine, theirs):
                return self._search(rows, is_ready)
        told = self._fill([self._told[i] for i in order.tolist()], messages, rows)
        if not (self._kinds_hold(rows, messages) and self._bytes_hold(rows, told)):
            return self._search(rows, is_ready)
        left = np.flatnonzero(~is_ready)
        self._told = [self._told[i] for i in left.tolist()]
        self._waiting = self._waiting[:, left]
        return None

    def produced(self, message: int) -> Row | None:
        """Returns what waits under an id."""
        found = np.flatnonzero(self._waiting[0] == message)
        return self._produced(int(found[0])) if len(found) else None

    def _fill(
        self, told: list[Message | None], messages: Sequence[Message], rows: Rows
    ) -> list[Message]:
        """Puts the log's word in the place of answers that the journal has lost."""
        if None not in told:
            return told  # type: ignore[return-value]  # mypy does not see that none is None
        lost = [i for i, message in enumerate(told) if message is None]
        self.unrecorded += [rows.row(i) for i in lost]
        return [messages[i] if one is None else one for i, one in enumerate(told)]

    def _kinds_hold(self, rows: Rows, messages: Sequence[Message]) -> bool:
        """Whether the columns made from payloads, kind and contract, agree with these."""
        types = list(map(type, messages))
        indices, tags = rows.kinds()
        codes = np.array([self._tags.index(t) if t in self._tags else -1 for t in tags] or [-1])
        expected = np.fromiter(map(self._types.__getitem__, types), np.int64, len(types))
        if not _equal(codes[indices], expected):
            return False
        recorded = one_chunk(rows.table["contract"])
        if self._with_contract.isdisjoint(types):
            return bool(recorded.null_count == len(types))
        contracts = [getattr(message, "contract", None) for message in messages]
        return bool(recorded.equals(pa.array(contracts, pa.string())))

    def _bytes_hold(self, rows: Rows, told: Sequence[Message]) -> bool:
        starts, lines = rows.line_starts, rows.lines
        encode = self._codec.encoder.encode_lines
        for first in range(0, len(told), BATCH_ROWS):
            end = min(first + BATCH_ROWS, len(told))
            begin = int(starts[first])
            recorded = lines.slice(begin, int(starts[end]) - 1 - begin)
            mine = pa.py_buffer(encode(told[first:end]))
            if not mine.slice(0, mine.size - 1).equals(recorded):
                return False
        return True

    def _search(self, rows: Rows, is_ready: NDArray[np.bool_]) -> Mismatch:
        """Finds the first difference, row by row."""
        found: list[Mismatch] = []
        index = {message: i for i, message in enumerate(self._waiting[0].tolist())}
        seen: set[int] = set()
        payloads = rows.payload().to_pylist()
        kinds = rows.table["kind"].to_pylist()
        contracts = rows.table["contract"].to_pylist()
        numbers = np.stack([rows.id, rows.key, rows.dst, rows.sent, rows.cause], axis=1).tolist()
        for ids, kind, contract, payload in zip(numbers, kinds, contracts, payloads, strict=True):
            expected = _row(ids, kind, contract, payload)
            at = index.get(expected.id) if expected.id not in seen else None
            produced = None if at is None else self._produced(at)
            if produced is not None and produced.kind == "":
                # An answer that only the log has: nothing to compare its words with.
                produced = produced._replace(kind=kind, contract=contract, payload=payload)
            if (one := _compare(expected, produced, is_again=expected.id in seen)) is not None:
                found.append(one)
            seen.add(expected.id)
        found += [
            _compare_unrecorded(self._produced(at))
            for at in np.flatnonzero(is_ready).tolist()
            if int(self._waiting[0, at]) not in seen
        ]
        return min(found, key=lambda one: one.place)

    def _produced(self, at: int) -> Row:
        numbers = self._waiting[:, at].tolist()
        message = self._told[at]
        if message is None:
            return _row(numbers, "", None, "")
        contract = getattr(message, "contract", None)
        payload = self._codec.encode(message).decode()
        return _row(numbers, tag_of(type(message)), contract, payload)


def _row(numbers: Sequence[int], kind: str, contract: str | None, payload: str) -> Row:
    message, key, dst, sent, cause = numbers
    return Row(message, key, dst, sent, cause, kind, contract, payload)


def _compare(expected: Row, produced: Row | None, *, is_again: bool) -> Mismatch | None:
    place = (expected.key, expected.dst, expected.id)
    if is_again:
        return Mismatch(place, "it is on record twice", expected, None)
    if produced is None:
        return Mismatch(place, "the replay did not produce it", expected, None)
    fields = [
        name
        for name, mine, theirs in zip(Row._fields, produced, expected, strict=True)
        if mine != theirs
    ]
    if not fields:
        return None
    what = ", ".join(_WORDS.get(name, name) for name in fields)
    place = min(place, (produced.key, produced.dst, produced.id))
    return Mismatch(
        place, f"{what} {'differs' if len(fields) == 1 else 'differ'}", expected, produced
    )


def _compare_unrecorded(produced: Row) -> Mismatch:
    place = (produced.key, produced.dst, produced.id)
    return Mismatch(place, "the replay produced what is not on record", None, produced)


def _equal(a: Ints, b: Ints) -> bool:
    return bool(np.array_equal(a, b))

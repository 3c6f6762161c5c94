"""Walks along causes: from any message back to the start of the run.

``cause`` names the message on whose delivery another was sent. Some actors act on a round of their
own (the broker allocates, the treasury does its books, a researcher wakes): then the cause is that
timer, and the timer's cause is whatever came first in the round, often somebody else's business.
``Causes.back`` looks through such timers: it goes on with what the same conversation last told
the actor, or with what a grant was asked or given for. Every step says whether it was looked
through, so nothing passes for recorded that was inferred.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from swarm.analysis.run import Run
from swarm.kernel.envelope import ACT, RECORD

Integers = npt.NDArray[np.int64]

_COMPACT = """
with kinds as (select kind, row_number() over (order by kind) - 1 as number
    from (select distinct kind from messages))
select seq, id, coalesce(cause, -1) as cause, due, phase, src, dst, number as kind,
    case when coalesce(contract, '') = '' then 0 else (hash(contract) >> 1)::bigint end as talk
from messages join kinds using (kind) order by seq
"""
_KINDS = "select kind from (select distinct kind from messages) order by kind"
_CARRIED = """
select seq, (payload->>'payload')->>'type' as kind from messages
where kind = 'subcontract.carry' and payload->>'to' = recipient
"""
"""What was carried, where it arrived; what is still on its way stays a carrier's message."""
_ROWS = """
select seq, id, due, phase, sent, sender, recipient, kind, contract, payload
from told where seq in (select unnest($seqs::bigint[])) order by seq
"""
_MONEY = """
with credited as (
    select seq, sender, recipient, payload->>'reason' as reason,
        split_part(payload->>'reason', ' ', 1) as contract
    from told where kind = 'treasury.credited'
),
settled as (
    select seq, recipient, contract from told
    where kind in ('treasury.release', 'treasury.escrow', 'treasury.royalty', 'treasury.refund')
),
granted as (
    select seq, cause, sender, payload->>'to' as receiver, payload->>'reason' as reason
    from told where kind = 'treasury.grant'
),
rounds as (select id from messages where kind = 'need.funding_due')
select c.seq as seq, max(s.seq) as paid from credited c join settled s
on s.contract = c.contract and s.recipient = c.sender and s.seq < c.seq group by 1
union all
select c.seq, max(g.seq) from credited c join granted g
on g.receiver = c.recipient and g.reason = c.reason and g.seq < c.seq group by 1
union all
select g.seq, max(n.seq) from granted g join rounds on rounds.id = g.cause join told n
on n.sender = g.receiver and n.recipient = g.sender and n.seq < g.seq and n.kind like 'need.%'
group by 1
"""
"""Receipts by the order or the grant they came from, grants by who had asked for them."""


class Link(NamedTuple):
    """One step back."""

    seq: int
    is_inferred: bool
    """Whether a round of timers was looked through; else the log says so itself."""


class Causes:
    """The causes of a whole log, in memory: about 60 bytes a message.

    Args:
        run: An opened run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        frame = run.sql(_COMPACT)
        self._ids: Integers = frame["id"].to_numpy()
        self._due: Integers = frame["due"].to_numpy()
        self._phase: Integers = frame["phase"].to_numpy()
        self._src: Integers = frame["src"].to_numpy()
        self._dst: Integers = frame["dst"].to_numpy()
        self._kind: Integers = frame["kind"].to_numpy().copy()
        self._talk: Integers = frame["talk"].to_numpy()
        self.kinds: list[str] = run.sql(_KINDS)["kind"].to_list()
        self._unwrap()
        self.cause: Integers = _positions(self._ids, frame["cause"].to_numpy())
        """By sequence number, that of the cause; -1 where there is none in the log."""

    def __len__(self) -> int:
        return len(self._ids)

    def kind(self, seq: int) -> str:
        """Returns the kind of a message."""
        return self.kinds[int(self._kind[seq])]

    def rows(self, seqs: Iterable[int]) -> dict[int, dict[str, Any]]:  # Any: values of a row
        """Returns whole messages by sequence number; what is still being carried is left out."""
        wanted = sorted(set(seqs))
        found = self._run.sql(_ROWS, {"seqs": wanted})
        return {row["seq"]: row for row in found.iter_rows(named=True)}

    def chain(self, seq: int) -> list[Link]:
        """Returns a message and everything before it along its causes, latest first."""
        links = [Link(seq, is_inferred=False)]
        open_talks: list[int] = []
        while (link := self.back(links[-1].seq, open_talks)) is not None:
            talk = int(self._talk[links[-1].seq])
            if talk and talk not in open_talks:
                open_talks.append(talk)
            links.append(link)
        return links

    def back(self, seq: int, open_talks: Sequence[int] = ()) -> Link | None:
        """Returns what led to a message.

        Args:
            seq: The message.
            open_talks: Conversations that a walk has passed, for rounds that serve several.
        """
        cause = int(self.cause[seq])
        if cause < 0:
            return None
        if not self._is_round(cause):
            return Link(cause, is_inferred=False)
        for talk in (int(self._talk[seq]), *reversed(open_talks)):
            if talk and (found := self._last_told(int(self._dst[cause]), talk, cause)) >= 0:
                return Link(found, is_inferred=True)
        paid = self._paid.get(seq)
        return Link(cause, is_inferred=False) if paid is None else Link(paid, is_inferred=True)

    def conversations(self, seqs: Integers) -> Integers:
        """Returns for each message the nearest message with a contract, along plain causes.

        A message that has one stands for itself; -1 where no cause has one.
        """
        at = seqs.copy()
        while True:
            is_open = at >= 0
            is_open[is_open] = self._talk[at[is_open]] == 0
            if not is_open.any():
                return at
            at[is_open] = self.cause[at[is_open]]

    def talk(self, seq: int) -> int:
        """Returns the conversation of a message as a number of this log; 0 for none."""
        return int(self._talk[seq])

    def is_shown(self, seq: int) -> bool:
        """Whether a person would call this an event: rounds of timers and carrying are none."""
        return not self._is_round(seq) and self.kind(seq) != "subcontract.carry"

    def is_question(self, seq: int) -> bool:
        """Whether somebody asks a mind here."""
        return bool(self._phase[seq] == RECORD) and self.kind(seq).startswith("mind.")

    def _unwrap(self) -> None:
        """Gives messages that were carried their own kind, where they arrived."""
        numbers = {kind: number for number, kind in enumerate(self.kinds)}
        for seq, kind in self._run.sql(_CARRIED).iter_rows():
            if kind not in numbers:
                numbers[kind] = len(self.kinds)
                self.kinds.append(kind)
            self._kind[seq] = numbers[kind]

    def _is_round(self, seq: int) -> bool:
        """A timer that belongs to no conversation."""
        return bool(
            self._phase[seq] == ACT
            and self._src[seq] == self._dst[seq]
            and self._talk[seq] == 0
            and self.cause[seq] >= 0
        )

    def _last_told(self, actor: int, talk: int, before: int) -> int:
        """Returns the last message of a conversation that somebody else told the actor."""
        low, high = np.searchsorted(self._talk, [talk, talk + 1], sorter=self._by_talk)
        said = self._by_talk[low:high]
        said = said[said < before]
        said = said[(self._dst[said] == actor) & (self._src[said] != actor)]
        return int(said[-1]) if len(said) else -1

    @cached_property
    def _by_talk(self) -> Integers:
        """Sequence numbers by conversation, ascending within one."""
        return np.argsort(self._talk, kind="stable")

    @cached_property
    def _paid(self) -> dict[int, int]:
        return dict(self._run.sql(_MONEY).iter_rows())


def _positions(ids: Integers, wanted: Integers) -> Integers:
    """Returns where each of the wanted ids stands; -1 for one that is not there."""
    if not len(ids):
        return np.empty(0, np.int64)
    order = np.argsort(ids, kind="stable")
    at = np.searchsorted(ids, wanted, sorter=order)
    at = order[np.minimum(at, len(ids) - 1)]
    return np.where(ids[at] == wanted, at, -1).astype(np.int64)

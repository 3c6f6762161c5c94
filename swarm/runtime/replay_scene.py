"""The stage of a replay: contexts that take down what roles do, instead of doing it.

An actor depends on nothing but what it is told, so each is fed alone, a piece of the log at a
time: nothing is sorted or routed, and its memory stays warm. An effect is one entry in each of two
lists (where it leads, what it says); whose it is and what caused it follow from how many entries
there were after each message that was handed over.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swarm.kernel.context import AnyRole
from swarm.kernel.envelope import ARRIVE, PHASES, RECORD, RELEASE
from swarm.kernel.message import COUNTER_BITS, ActorId, Message
from swarm.kernel.ports import Network
from swarm.kernel.roster import Roster
from swarm.runtime.replay_context import ReplayContext, offset_of

_RANK_BITS = 28
_RANK = (1 << _RANK_BITS) - 1
"""A lead is ``what is added to the bucket key << 28 | recipient's rank``."""


class Delivered(NamedTuple):
    """Rows to hand over, those of one actor together and in canonical order."""

    rank: NDArray[np.int64]
    key: NDArray[np.int64]
    id: NDArray[np.int64]
    cause: NDArray[np.int64]
    messages: Sequence[Message]


class Effects(NamedTuple):
    """What actors did, as rows of a log."""

    id: NDArray[np.int64]
    key: NDArray[np.int64]
    dst: NDArray[np.int64]
    sent: NDArray[np.int64]
    cause: NDArray[np.int64]
    messages: list[Message | None]
    """None for an answer that the journal does not hold."""


class Answered(NamedTuple):
    """An order, as the actor made it."""

    sort: str
    request: int
    due: int
    rank: int


class Raised(NamedTuple):
    """A role raised an error; ``row`` is the index among the delivered."""

    row: int
    error: Exception


class Scene:
    """Every actor of a run, in this process, without an engine.

    Args:
        roster: Everybody in the run.
        network: Edges and latencies.
        role_at: Builds the role of a rank.
        seed: The run's seed.
        lookahead: No answer comes sooner, in ticks.
        answers: What the journal holds, by message id.
    """

    def __init__(
        self,
        *,
        roster: Roster,
        network: Network,
        role_at: Callable[[int], AnyRole],
        seed: int,
        lookahead: int,
        answers: Mapping[int, Message],
    ) -> None:
        self.roster, self.network, self.seed, self.lookahead = roster, network, seed, lookahead
        self.orders: dict[int, Answered] = {}
        """What was ordered, by the id of its answer."""
        self.raised: list[Raised] = []
        """Since the last piece."""
        self.leads: list[int] = []
        self.told: list[Message | None] = []
        self._answers = answers
        self._role_at = role_at
        self._ends: list[int] = []
        self._before_actor = 0
        self._answer_entries: list[int] = []
        self._counters = np.zeros(len(roster), dtype=np.int64)
        self._actors: dict[int, ReplayContext] = {}
        self._names: dict[int, ActorId] = {}
        self._known_leads: dict[tuple[int, int], int] = {}
        self._rows: Delivered | None = None

    def begin(self, ranks: Sequence[int], first: Message) -> Effects:
        """Returns what a run begins with: a first message from each actor to itself."""
        rank = np.array(ranks, dtype=np.int64)
        self._counters[rank] = 1
        zeros = np.zeros(len(rank), dtype=np.int64)
        told: list[Message | None] = [first] * len(rank)
        return Effects(rank << COUNTER_BITS, zeros + ARRIVE, rank, zeros, zeros - 1, told)

    def change(self, network: Network, role_at: Callable[[int], AnyRole]) -> None:
        """Goes on with other configurations, as a fork does at its barrier; states stay."""
        self.network, self._role_at = network, role_at
        for rank, ctx in self._actors.items():
            ctx.take_over(role_at(rank))

    def play(self, rows: Delivered) -> Effects:
        """Hands messages over and returns what came of it, by actor and counter."""
        self._rows = rows
        self.raised = []
        told, ends = self.told, self._ends
        n_told = told.__len__
        done = ends.append
        dues = (rows.key // PHASES).tolist()
        cuts = [0, *(np.flatnonzero(np.diff(rows.rank)) + 1).tolist(), len(rows.rank)]
        for i, rank in enumerate(rows.rank[cuts[:-1]].tolist() if dues else ()):
            ctx = self._actors.get(rank) or self._enter(rank)
            self._before_actor = n_told()
            first, end = cuts[i], cuts[i + 1]
            try:
                for ctx.now, message in zip(dues[first:end], rows.messages[first:end], strict=True):
                    ctx.receive(message, ctx)
                    done(n_told())
            except Exception as error:  # noqa: BLE001  a role that raises has diverged
                self.raised.append(Raised(len(ends), error))
                ctx.stop_receiving()
                ends += [n_told()] * (end - len(ends))
        effects = self._effects(rows)
        self.leads.clear()
        ends.clear()
        self._answer_entries.clear()
        self.told.clear()
        return effects

    def name(self, rank: int) -> ActorId:
        """Returns the id at a rank: one object for all who know that actor."""
        name = self._names.get(rank)
        if name is None:
            name = self._names[rank] = self.roster.name(rank)
        return name

    def lead(self, rank: int, offset: int) -> int:
        """Returns where a message goes, as one number shared by all who say it."""
        lead = offset << _RANK_BITS | rank
        return self._known_leads.setdefault((rank, offset), lead)

    def handled(self) -> tuple[int, int, int]:
        """Returns bucket key, id and cause of the message being handled."""
        at, rows = len(self._ends), self._rows
        assert rows is not None
        return int(rows.key[at]), int(rows.id[at]), int(rows.cause[at])

    def order(self, sort: str, rank: int, message: Message, takes: int) -> int:
        """Takes down an order and its answer to come; returns the order's id."""
        counter = int(self._counters[rank]) + len(self.told) - self._before_actor
        request = rank << COUNTER_BITS | counter
        self.put(rank, RECORD, message)
        now = self.handled()[0] // PHASES
        due = now + max(int(takes), self.lookahead)
        self.orders[request + 1] = Answered(sort, request, due, rank)
        self._answer_entries.append(len(self.told))
        self.put(rank, offset_of(due - now, RELEASE), self._answers.get(request + 1))
        return request

    def put(self, rank: int, offset: int, message: Message | None) -> None:
        """Takes down one effect; ``offset`` counts from phase 0 of this instant."""
        self.leads.append(offset << _RANK_BITS | rank)
        self.told.append(message)

    def _enter(self, rank: int) -> ReplayContext:
        ctx = self._actors[rank] = ReplayContext(rank, self._role_at(rank), self)
        return ctx

    def _effects(self, rows: Delivered) -> Effects:
        """Works out whose effects they are and what caused them, for all at once."""
        n = len(self.told)
        ends = np.array(self._ends, dtype=np.int64)
        at = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        leads = np.fromiter(self.leads, np.int64, n)
        src = rows.rank[at]
        heads = np.flatnonzero(np.diff(src, prepend=-1))
        sizes = np.diff(heads, append=n)
        counter = self._counters[src] + np.arange(n) - np.repeat(heads, sizes)
        self._counters[src[heads]] += sizes
        ids = src << COUNTER_BITS | counter
        sent = rows.key[at] // PHASES
        key = sent * PHASES + (leads >> _RANK_BITS)
        cause = rows.id[at]
        answers = np.array(self._answer_entries, dtype=np.int64)
        sent[answers] = key[answers] // PHASES
        cause[answers] = ids[answers - 1]
        return Effects(ids, key, leads & _RANK, sent, cause, list(self.told))

"""Replays a run: every actor again, against what is on record, without doing any of the work.

Actors are fed the messages that the log says they got, in canonical order; answers of jobs and
minds come from the journal. Each effect is compared with the log: due, phase, recipient, sender,
counter, sent, cause, kind, contract and every byte. The first message that differs ends the
replay. No job is run, no mind asked; what scenarios do after a run (audits) is not repeated.

What is damaged is named, and what is complete before it is verified.
"""

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swarm.comms.digest import ChainDigest, combine
from swarm.comms.log_reader import END, LogReader, Piece
from swarm.errors import UsageError
from swarm.kernel.context import AnyRole
from swarm.kernel.envelope import PHASES, RECORD
from swarm.kernel.message import COUNTER_BITS, Message
from swarm.kernel.ports import Network
from swarm.kernel.roster import Roster
from swarm.pipeline.wire import codec
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.manifest import Facts, facts_of
from swarm.runtime.replay_find import describe
from swarm.runtime.replay_journal import Answers
from swarm.runtime.replay_match import Matcher, Mismatch
from swarm.runtime.replay_notes import NoteCheck
from swarm.runtime.replay_report import Divergence, Replayed
from swarm.runtime.replay_rows import Row, Rows, decode, digested, first_impossible
from swarm.runtime.replay_scene import Delivered, Scene
from swarm.runtime.run_folder import read_manifest
from swarm.runtime.versions import versions

# Messages hold no cycles: a full collection would only walk them.
_GC_THRESHOLD = (200_000, 20, 100)


class Earlier(NamedTuple):
    """What ran before the barrier at which a run was forked."""

    blueprint: Blueprint
    end: int
    """Everything due before this tick was delivered."""
    dropped: int | None
    """Id of the message that was lost at the barrier."""


def replay(
    run: Path,
    blueprint: Blueprint,
    *,
    earlier: Sequence[Earlier] = (),
    actor: str | None = None,
    until: int | None = None,
) -> Replayed:
    """Replays a run.

    Args:
        run: The run folder; nothing in it is changed.
        blueprint: What ran, rebuilt from the manifest.
        earlier: What ran before it, of a run that is a fork, in order.
        actor: The only one to replay; by default all.
        until: Only what is due before this tick is compared.

    Raises:
        UsageError: If it is not a run folder, if nobody is called that, or if it kept no log.
    """
    facts = facts_of(read_manifest(run), run)
    if [list(pair) for pair in blueprint.roster] != [list(pair) for pair in facts.roster]:
        raise UsageError(
            what=f"{run} is damaged: config and roster in its manifest name different actors"
        )
    if not blueprint.is_logged:
        raise UsageError(what=f"{run} kept no message log, so there is nothing to replay")
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLD)
    try:
        return _Replay(run, facts, blueprint, earlier, actor=actor, until=until).run()
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class _Replay:
    """One replay, from start to report."""

    def __init__(
        self,
        run: Path,
        facts: Facts,
        blueprint: Blueprint,
        earlier: Sequence[Earlier],
        *,
        actor: str | None,
        until: int | None,
    ) -> None:
        self._began = time.process_time()
        self._run, self._facts, self._blueprint = run, facts, blueprint
        self._earlier = list(earlier)
        self._roster = roster = Roster(blueprint.roster)
        self._actor, self._rank = actor, None if actor is None else roster.rank(actor)
        self._until = until
        self._problems: list[str] = []
        self._answers = Answers(run / "journal", codec())
        network, role_at = self._cast()
        self._scene = Scene(
            roster=roster,
            network=network,
            role_at=role_at,
            seed=blueprint.seed,
            lookahead=blueprint.lookahead,
            answers=self._answers.messages,
        )
        self._matcher = Matcher(codec())
        self._digest = ChainDigest(n_actors=len(roster), hosted=range(len(roster)))
        self._has_digest = facts.is_whole and self._rank is None and until is None
        self._notes = NoteCheck(run / "notes", roster)
        self._n_equal = 0
        self._key = -1

    def run(self) -> Replayed:
        """Feeds the log piece by piece until it ends or something differs."""
        ranks = range(len(self._roster)) if self._rank is None else [self._rank]
        self._matcher.add(self._scene.begin(ranks, self._blueprint.first))
        reader = LogReader(
            self._run / "messages",
            n_shards=self._facts.host.shards,
            n_messages=self._facts.summary.messages if self._facts.is_whole else None,
        )
        mismatch: Mismatch | None = None
        last = END if self._until is None else self._until * PHASES - 1
        for piece in reader.pieces():
            mismatch = self._feed_chapters(piece, last)
            if mismatch is not None or piece.key >= last:
                break
        self._key = min(reader.key, last)
        if mismatch is None:
            orders, lost = self._scene.orders, self._matcher.unrecorded
            mismatch = self._answers.check(orders, lost, key=self._key, rank=self._rank)
        self._problems += [*self._answers.problems, *reader.problems]
        return self._report(mismatch)

    def _cast(self) -> tuple[Network, Callable[[int], AnyRole]]:
        """Returns who may tell whom, and who plays whom, until the next barrier."""
        now = self._earlier[0].blueprint if self._earlier else self._blueprint
        roster = self._roster
        return now.network(roster), lambda rank: now.build_role(roster, roster.name(rank))

    def _feed_chapters(self, piece: Piece, last: int) -> Mismatch | None:
        """Compares a piece; at the barrier of a fork it is cut, and configurations change."""
        while self._earlier and (barrier := self._earlier[0].end * PHASES - 1) < piece.key:
            head, piece = piece.cut(barrier)
            if (mismatch := self._feed(head, last)) is not None:
                return mismatch
            if (dropped := self._earlier.pop(0).dropped) is not None:
                self._matcher.forget(dropped)
            self._scene.change(*self._cast())
        return self._feed(piece, last)

    def _feed(self, piece: Piece, last: int) -> Mismatch | None:
        """Compares a piece, up to a bucket key or to a row that can be no message."""
        rows, key = Rows(piece.rows), piece.key
        if key > last:
            rows, key = rows.before(last + 1), last
        odd: Row | None = None
        if (at := first_impossible(rows, len(self._roster))) < len(rows):
            # Its time may be what is wrong with it, so the row before it says where it stands.
            odd, key = rows.row(at), int(rows.key[max(at - 1, 0) : at + 1].min()) - 1
            rows = rows.before(key + 1)
        if self._rank is not None:
            rows = rows.where((rows.dst == self._rank) | (rows.id >> COUNTER_BITS == self._rank))
        messages = decode(rows, codec())
        if (at := len(messages)) < len(rows):
            odd, key = rows.row(at), int(rows.key[at]) - 1
            rows = rows.before(key + 1)
            messages = messages[: len(rows)]
        mismatch = self._step(rows, messages, key)
        if mismatch is None and odd is not None:
            place = odd.key, odd.dst, odd.id
            what = "it is no message that this swarm knows"
            mismatch = Mismatch(place, what, odd, self._matcher.produced(odd.id))
        return mismatch

    def _step(self, rows: Rows, messages: list[Message], key: int) -> Mismatch | None:
        """Feeds actors what is on record, and compares what is on record with what they did."""
        delivered, order = self._delivered(rows, messages)
        self._matcher.add(self._scene.play(delivered))
        own, own_messages = rows, messages
        if self._rank is not None:
            is_own = rows.id >> COUNTER_BITS == self._rank
            own = rows.where(is_own)
            own_messages = [messages[i] for i in np.flatnonzero(is_own).tolist()]
        if (end := self._blueprint.until) is not None:
            key = min(key, end * PHASES - 1)  # a run that was to end there left the rest undone
        mismatch = self._matcher.match(own, own_messages, key)
        for raised in self._scene.raised:
            at = int(order[raised.row])
            place = int(rows.key[at]), int(rows.dst[at]), int(rows.id[at])
            if mismatch is None or place < mismatch.place:
                error = f"{type(raised.error).__name__}: {raised.error}"
                what = f"{self._roster.name(place[1])} could not handle it: {error}"
                mismatch = Mismatch(place, what, None, None, place[2])
        if mismatch is None:
            self._n_equal += len(own)
            self._notes.add(own.key, own.dst, own_messages)
            if self._has_digest and len(rows):
                self._digest.update(*digested(rows))
        return mismatch

    def _delivered(
        self, rows: Rows, messages: list[Message]
    ) -> tuple[Delivered, NDArray[np.int64]]:
        """Returns what actors are fed, one after the other, and where it stands in the rows."""
        is_fed = rows.key % PHASES != RECORD
        if self._rank is not None:
            is_fed &= rows.dst == self._rank
        fed = np.flatnonzero(is_fed)
        order = fed[np.argsort(rows.dst[fed], kind="stable")]
        in_order = [messages[i] for i in order.tolist()]
        columns = (rows.dst[order], rows.key[order], rows.id[order], rows.cause[order])
        return Delivered(*columns, in_order), order

    def _report(self, mismatch: Mismatch | None) -> Replayed:
        is_all = self._key == END
        n_notebooks = self._notes.compare(
            is_whole=is_all and mismatch is None, problems=self._problems
        )
        digests = self._compare_digests(is_all=is_all and mismatch is None)
        if mismatch is not None or digests == "differ":
            verdict: Literal["ok", "diverged", "damaged"] = "diverged"
        else:
            verdict = "damaged" if self._problems else "ok"
        divergence: Divergence | None = None
        upto = None if is_all else max(0, (self._key + 1) // PHASES)
        if mismatch is not None:
            divergence = describe(mismatch, self._run, self._facts, self._roster)
            upto = divergence.due
            if self._rank is None:
                self._n_equal = divergence.seq
        return Replayed(
            run=str(self._run),
            verdict=verdict,
            messages=self._n_equal,
            upto=upto,
            why_upto="" if upto is None else self._why(mismatch),
            actor=self._actor,
            answers=len(self._scene.orders.keys() & self._answers.messages.keys()),
            notebooks=n_notebooks,
            digests=digests,
            problems=tuple(self._problems),
            divergence=divergence,
            written_by=self._facts.versions,
            replayed_by=versions(),
            cpu_seconds=round(time.process_time() - self._began, 3),
        )

    def _compare_digests(self, *, is_all: bool) -> Literal["equal", "differ", "not compared"]:
        summary = self._facts.summary
        if not (is_all and self._has_digest):
            return "not compared"
        found = combine(self._digest.control), combine(self._digest.payload)
        return "equal" if found == (summary.digest_control, summary.digest_payload) else "differ"

    def _why(self, mismatch: Mismatch | None) -> str:
        if mismatch is not None:
            return "where it diverged"
        if self._until is not None and self._key == self._until * PHASES - 1:
            return "as asked"
        if self._facts.status == "running":
            return "the run still goes on or was killed; later messages were not sealed"
        if self._facts.is_whole:
            return "where the log is damaged"
        return f"where the log ends; the run is {self._facts.status}"

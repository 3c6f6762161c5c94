"""A shard: one engine with its log, its notebooks and its digests, wherever it is hosted."""

import gc
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from swarm.comms.digest import ChainDigest
from swarm.comms.log import LogWriter
from swarm.kernel.context import Order
from swarm.kernel.engine import Batch, Engine
from swarm.kernel.envelope import PHASES, Envelope
from swarm.kernel.message import Message
from swarm.kernel.roster import Roster
from swarm.memory.notebook import NotebookSink
from swarm.pipeline.wire import codec
from swarm.runtime.batches import decode_batch, encode_batch
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.snapshot_store import HEAD, chunk_name, read_chunks, read_file, write_file
from swarm.runtime.snapshots import Chunk, ChunkNote, Head, next_segment, total_kinds

# A full collection walks every envelope in flight; messages hold no cycles, so let it come rarely.
_GC_THRESHOLD = (200_000, 20, 100)


class WindowReport(NamedTuple):
    """What a shard tells its coordinator after a window."""

    next_due: int | None
    """Earliest instant held here or on its way from here."""
    orders: list[Order]
    watched: list[tuple[int, Message]]
    """(due, message) of the kinds that the blueprint watches."""
    delivered: int
    """Envelopes since the start."""


class Closing(NamedTuple):
    """What is left of a shard at the end."""

    control: list[bytes]
    payload: list[bytes]
    kinds: dict[str, int]
    active: dict[str, int]
    """By role: actors that told somebody something, or ordered or asked anything."""
    log_bytes: int
    cpu_seconds: float


class Shard:
    """Runs one engine.

    Args:
        blueprint: What runs.
        shards: Ranks of all shards.
        number: Which of them this is.
        folder: The run folder, or None to keep digests only.
        shuffle: If given, every bucket is shuffled with this seed before it is sorted.
        start: The snapshot to go on from; None for the beginning.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        shards: Sequence[range],
        number: int,
        folder: Path | None,
        shuffle: int | None = None,
        start: Path | None = None,
    ) -> None:
        roster = Roster(blueprint.roster)
        self._roster = roster
        self._number = number
        self._hosted = shards[number]
        self._codec = codec()
        self._digest = ChainDigest(n_actors=len(roster), hosted=self._hosted)
        with_log = folder is not None and blueprint.is_logged
        self._log = LogWriter(
            codec=self._codec,
            digest=self._digest,
            folder=folder / "messages" if folder is not None and with_log else None,
            shard=number,
            watch=blueprint.watch,
        )
        head = None if start is None else read_file(start / HEAD, Head)
        begun = [] if head is None else self._begun(head)
        self._notes = (
            NotebookSink(folder / "notes", roster=roster, begun=begun)
            if folder is not None and with_log
            else None
        )
        self._engine = Engine(
            roster=roster,
            network=blueprint.network(roster),
            role_at=lambda rank: blueprint.build_role(roster, roster.name(rank)),
            shards=shards,
            shard=number,
            seed=blueprint.seed,
            lookahead=blueprint.lookahead,
            sink=self,
            reorder=None if shuffle is None else Random(shuffle).shuffle,
        )
        if start is None or head is None:
            self._engine.start(blueprint.first, self._hosted)
        else:
            self._restore(start, head)
        self._gc_before = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLD)

    def write(self, due: int, phase: int, rows: Sequence[Envelope]) -> None:
        """Passes a delivered bucket to the log and the notebooks."""
        self._log.write(due, phase, rows)
        if phase == PHASES - 1 and self._notes is not None:
            self._notes.write(due, phase, rows)

    def first_due(self) -> int | None:
        """Returns the earliest instant held here before the first window."""
        return self._engine.next_due()

    def run_window(
        self, end: int, answers: Iterable[tuple[Order, bytes]], batches: Iterable[Batch]
    ) -> tuple[WindowReport, dict[int, Batch]]:
        """Delivers everything due before ``end``; returns the report and what is for others."""
        engine = self._engine
        for batch in batches:
            engine.accept(batch)
        for order, payload in answers:
            engine.answer(order, self._codec.decode(payload))
        outgoing, orders = engine.run_window(end)
        dues = [batch[0][0] // PHASES for batch in outgoing.values()]
        own = engine.next_due()
        if own is not None:
            dues.append(own)
        report = WindowReport(
            next_due=min(dues, default=None),
            orders=orders,
            watched=self._log.take_watched(),
            delivered=engine.delivered,
        )
        return report, outgoing

    def snapshot(self, batches: Iterable[Batch], into: Path) -> ChunkNote:
        """Writes what this shard is, between windows; its log and notebooks end here too.

        Args:
            batches: What other shards have sent here meanwhile.
            into: The folder of the snapshot.
        """
        for batch in batches:
            self._engine.accept(batch)
        if self._notes is not None:
            self._notes.flush()
        self._log.seal()
        chunk = Chunk(
            first=self._hosted.start,
            frames=[ctx.freeze() for ctx in self._engine.contexts],
            in_flight=encode_batch(self._engine.in_flight()),
            first_cell=self._digest.first_cell,
            control=self._digest.control,
            payload=self._digest.payload,
        )
        name = chunk_name(self._number)
        sum_, n_bytes = write_file(into / name, chunk)
        return ChunkNote(
            name=name,
            first=self._hosted.start,
            stop=self._hosted.stop,
            sha256=sum_,
            n_bytes=n_bytes,
            kinds=self._log.kind_counts(),
            log_bytes=self._log.bytes_written,
        )

    def _begun(self, head: Head) -> list[int]:
        ranks = (self._roster.rank(name.removesuffix(".md")) for name in head.notes)
        return [rank for rank in ranks if rank in self._hosted]

    def _restore(self, snapshot: Path, head: Head) -> None:
        """Takes the place of whatever shards hosted these actors when the snapshot was taken."""
        base, stop = self._hosted.start, self._hosted.stop
        for chunk in read_chunks(snapshot, head, self._hosted):
            last = min(stop, chunk.first + len(chunk.frames))
            for rank in range(max(base, chunk.first), last):
                self._engine.contexts[rank - base].thaw(chunk.frames[rank - chunk.first])
            inbox = [
                (key, mine)
                for key, envelopes in decode_batch(chunk.in_flight)
                if (mine := [one for one in envelopes if base <= one[0] < stop])
            ]
            self._engine.accept(inbox)
            for i, chains in enumerate(zip(chunk.control, chunk.payload, strict=True)):
                cell = chunk.first_cell + i - self._digest.first_cell
                if 0 <= cell < len(self._digest.control):
                    self._digest.control[cell], self._digest.payload[cell] = chains
        # What counts for the whole log is counted on by one of the shards.
        is_first = self._number == 0
        self._log.go_on(
            n_segments=next_segment(head, self._number),
            kinds=total_kinds(head.chunks) if is_first else {},
            n_bytes=sum(note.log_bytes for note in head.chunks) if is_first else 0,
        )

    def close(self, *, cpu_seconds: float) -> Closing:
        """Seals the log and the notebooks."""
        gc.unfreeze()
        gc.set_threshold(*self._gc_before)
        if self._notes is not None:
            self._notes.flush()
        self._log.seal()
        active: dict[str, int] = {}
        for ctx in self._engine.contexts:
            role = self._roster.role(ctx.rank)
            active[role] = active.get(role, 0) + ctx.has_acted
        return Closing(
            control=self._digest.control,
            payload=self._digest.payload,
            kinds=self._log.kind_counts(),
            active=active,
            log_bytes=self._log.bytes_written,
            cpu_seconds=cpu_seconds,
        )


def add_counts(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Adds up counts over shards, ascending by name."""
    total: dict[str, int] = {}
    for part in parts:
        for name, n in part.items():
            total[name] = total.get(name, 0) + n
    return dict(sorted(total.items()))

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
from swarm.runtime.blueprint import Blueprint

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
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        shards: Sequence[range],
        number: int,
        folder: Path | None,
        shuffle: int | None = None,
    ) -> None:
        roster = Roster(blueprint.roster)
        self._roster = roster
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
        self._notes = (
            NotebookSink(folder / "notes", roster=roster)
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
        self._engine.start(blueprint.first, self._hosted)
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

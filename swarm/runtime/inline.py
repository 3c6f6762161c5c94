"""The ``inline`` host: every actor in this process, one engine, no Ray."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from swarm.comms.digest import shard_ranges
from swarm.kernel.context import Order
from swarm.kernel.engine import Batch
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.interrupts import HeldInterrupts
from swarm.runtime.shard import Closing, Shard, WindowReport
from swarm.runtime.snapshots import ChunkNote


class InlineHost:
    """Hosts one or more shards in this process; several serve the tests of sharding.

    Args:
        blueprint: What runs.
        folder: The run folder, or None to keep digests only.
        n_shards: Engines to cut the actors into.
        shuffle: Seed for shuffling buckets before they are sorted.
        start: The snapshot to go on from; None for the beginning.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        folder: Path | None,
        n_shards: int = 1,
        shuffle: int | None = None,
        start: Path | None = None,
    ) -> None:
        n_actors = sum(count for _, count in blueprint.roster)
        self.ranges: Sequence[range] = shard_ranges(n_actors, n_shards)
        self._began = time.process_time()
        self._shards = [
            Shard(
                blueprint,
                shards=self.ranges,
                number=i,
                folder=folder,
                shuffle=shuffle,
                start=start,
            )
            for i in range(n_shards)
        ]
        self._inboxes: list[list[Batch]] = [[] for _ in self._shards]

    def first_due(self) -> int | None:
        """Returns the earliest instant held anywhere."""
        dues = [due for shard in self._shards if (due := shard.first_due()) is not None]
        return min(dues, default=None)

    def run_window(
        self, end: int, answers: Mapping[int, Sequence[tuple[Order, bytes]]]
    ) -> list[WindowReport]:
        """Runs a window on every shard, then exchanges batches."""
        reports = []
        inboxes, self._inboxes = self._inboxes, [[] for _ in self._shards]
        # A bucket that is cut in the middle would leave columns of unequal length in the log.
        with HeldInterrupts():
            for number, shard in enumerate(self._shards):
                report, outgoing = shard.run_window(end, answers.get(number, ()), inboxes[number])
                reports.append(report)
                for target, batch in outgoing.items():
                    self._inboxes[target].append(batch)
        return reports

    def snapshot(self, into: Path) -> list[ChunkNote]:
        """Has every shard write what it is; what was on its way has arrived then."""
        inboxes, self._inboxes = self._inboxes, [[] for _ in self._shards]
        with HeldInterrupts():
            return [
                shard.snapshot(inboxes[number], into) for number, shard in enumerate(self._shards)
            ]

    def close(self) -> list[Closing]:
        """Seals every shard. One process hosts all, so the first reports the CPU-seconds."""
        used = time.process_time() - self._began
        with HeldInterrupts():
            return [
                shard.close(cpu_seconds=used if number == 0 else 0.0)
                for number, shard in enumerate(self._shards)
            ]

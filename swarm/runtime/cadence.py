"""When a snapshot is taken, and what it costs."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from swarm.runtime.coordinator import Coordinator, ShardHost
from swarm.runtime.snapshot_store import begin, complete, sizes
from swarm.runtime.snapshots import Cadence, Head, Spent

_FIRST_GUESS = 0.1
"""CPU-seconds that a snapshot is thought to cost before one was taken."""

_WAITING_COUNTS = 5
"""So many seconds of waiting for the disk count as one CPU-second."""


class SnapshotTaker:
    """Takes snapshots at barriers, never more often than their cost allows.

    Args:
        run: The run folder.
        host: Where the shards are.
        cadence: How often, at most.
        spent: Says what the run has cost so far.
    """

    def __init__(
        self, run: Path, host: ShardHost, cadence: Cadence, *, spent: Callable[[], Spent]
    ) -> None:
        self.taken = 0
        self.cpu_seconds = 0.0
        self._run = run
        self._host = host
        self._cadence = cadence
        self._spent = spent
        self._due = -1
        self._not_before = time.monotonic() + _FIRST_GUESS * 100 / cadence.cpu_percent

    def at_barrier(self, coordinator: Coordinator) -> None:
        """Takes a snapshot if it is time for one."""
        if not self._cadence.every or time.monotonic() < self._not_before:
            return
        end = coordinator.progress.end
        if end >= self._due:
            self.take(coordinator)
            self._due = end + self._cadence.every

    def take(self, coordinator: Coordinator) -> Path:
        """Takes a snapshot now; returns its folder.

        Raises:
            RunFailedError: If the disk refuses.
        """
        began, cpu_began = time.monotonic(), time.process_time()
        head = coordinator.freeze()
        partial = begin(self._run, head.windows)
        chunks = self._host.snapshot(partial)
        whole: Head = msgspec.structs.replace(
            head,
            chunks=chunks,
            segments=sizes(self._run / "messages", "*.parquet"),
            notes=sizes(self._run / "notes", "*.md"),
            spent=self._spent(),
        )
        folder = complete(partial, whole)
        cost = time.process_time() - cpu_began + sum(chunk.cpu_seconds for chunk in chunks)
        self.taken += 1
        self.cpu_seconds += cost
        now = time.monotonic()
        pause = max(cost, (now - began) / _WAITING_COUNTS) * 100 / self._cadence.cpu_percent
        self._not_before = now + pause
        return folder

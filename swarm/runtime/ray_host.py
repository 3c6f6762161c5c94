"""The ``ray`` host: one Ray actor per shard, and workers for jobs.

At the barrier every shard returns its report and, for each other shard that gets something, one
encoded batch: small ones inside the reply, large ones as references to Ray's object store, so that
they never pass through the driver.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec
import ray
from ray import ObjectRef
from ray.exceptions import RayError

from swarm.comms.digest import shard_ranges
from swarm.errors import LostError, RunFailedError
from swarm.kernel.context import Order
from swarm.runtime.batches import decode_batch, encode_batch
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.cpu_time import is_running
from swarm.runtime.ray_calls import Raised, shielded, unwrapped
from swarm.runtime.shard import Closing, Shard, WindowReport
from swarm.runtime.snapshots import ChunkNote

T = TypeVar("T")

# Under this a batch costs less inside the reply than in the store.
_INSIDE_BYTES = 64 << 10
_LOOK_AROUND = 0.1
_START_PATIENCE = 300.0
_END_PATIENCE = 60.0

Wire: TypeAlias = bytes | ObjectRef[bytes]
"""An encoded batch, or where it is."""


class Window(NamedTuple):
    """What a shard returns at the barrier."""

    report: WindowReport
    batches: dict[int, Wire]


class Opening(NamedTuple):
    """What a shard says when it is up."""

    first_due: int | None
    pid: int
    host: str


class ShardActor:
    """Hosts one shard in a process of its own.

    Args:
        blueprint: What runs.
        shards: Ranks of all shards.
        number: Which of them this is.
        folder: The run folder, or None to keep digests only.
        shuffle: As for ``Shard``.
        start: As for ``Shard``.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        shards: Sequence[range],
        number: int,
        folder: Path | None,
        shuffle: int | None,
        start: Path | None = None,
    ) -> None:
        def build() -> Shard:
            return Shard(
                blueprint,
                shards=shards,
                number=number,
                folder=folder,
                shuffle=shuffle,
                start=start,
            )

        # An error of a constructor would be Ray's; kept, it is raised by the first call instead.
        self._shard = shielded(build)

    def open(self) -> Opening | Raised:
        """Says that the shard is up."""
        return shielded(
            lambda: Opening(unwrapped(self._shard).first_due(), os.getpid(), socket.gethostname())
        )

    def run_window(
        self, end: int, answers: Sequence[tuple[Order, bytes]], *batches: bytes
    ) -> Window | Raised:
        """Runs a window."""
        return shielded(self._run_window, end, answers, batches)

    def snapshot(self, into: Path, *batches: bytes) -> ChunkNote | Raised:
        """Writes what the shard is into a folder."""
        return shielded(self._snapshot, into, batches)

    def close(self) -> Closing | Raised:
        """Seals the shard."""
        return shielded(lambda: unwrapped(self._shard).close(cpu_seconds=time.process_time()))

    def _snapshot(self, into: Path, batches: Sequence[bytes]) -> ChunkNote:
        began = time.process_time()
        note = unwrapped(self._shard).snapshot(map(decode_batch, batches), into)
        used = time.process_time() - began
        return msgspec.structs.replace(note, cpu_seconds=used)

    def _run_window(
        self, end: int, answers: Sequence[tuple[Order, bytes]], batches: Sequence[bytes]
    ) -> Window:
        shard = unwrapped(self._shard)
        report, outgoing = shard.run_window(end, answers, map(decode_batch, batches))
        return Window(report, {to: _wrap(encode_batch(batch)) for to, batch in outgoing.items()})


def _wrap(data: bytes) -> Wire:
    return data if len(data) <= _INSIDE_BYTES else ray.put(data)


class RayHost:
    """Hosts each shard in a Ray actor.

    Args:
        blueprint: What runs, in Ray's store.
        n_actors: Actors in all.
        n_shards: Ray actors to cut them into.
        folder: The run folder, or None to keep digests only.
        shuffle: Seed for shuffling buckets before they are sorted.
        tend: Called now and then while shards run.
        start: The snapshot to go on from; None for the beginning.
    """

    def __init__(
        self,
        blueprint: ObjectRef[Blueprint],
        *,
        n_actors: int,
        n_shards: int,
        folder: Path | None,
        shuffle: int | None,
        tend: Callable[[], None],
        start: Path | None = None,
    ) -> None:
        self.ranges: Sequence[range] = shard_ranges(n_actors, n_shards)
        self._tend = tend
        kind = ray.remote(num_cpus=0, max_restarts=0, scheduling_strategy="SPREAD")(ShardActor)
        # Any: Ray makes the methods of a handle when it runs.
        self._shards: list[Any] = [
            kind.remote(
                blueprint,
                shards=self.ranges,
                number=number,
                folder=folder,
                shuffle=shuffle,
                start=start,
            )
            for number in range(n_shards)
        ]
        self._inboxes: list[list[Wire]] = [[] for _ in self._shards]
        self._openings: list[Opening] = []

    def open(self) -> None:
        """Waits until every shard is up.

        Raises:
            RunFailedError: If for minutes not one more of them came up.
        """
        self._openings = self._gather(
            [shard.open.remote() for shard in self._shards], patience=_START_PATIENCE
        )

    def first_due(self) -> int | None:
        """Returns the earliest instant held anywhere before the first window."""
        return min(
            (one.first_due for one in self._openings if one.first_due is not None), default=None
        )

    def run_window(
        self, end: int, answers: Mapping[int, Sequence[tuple[Order, bytes]]]
    ) -> list[WindowReport]:
        """Runs a window on every shard at once."""
        inboxes, self._inboxes = self._inboxes, [[] for _ in self._shards]
        windows: list[Window] = self._gather(
            [
                shard.run_window.remote(end, answers.get(number, ()), *inboxes[number])
                for number, shard in enumerate(self._shards)
            ]
        )
        for window in windows:
            for target, batch in window.batches.items():
                self._inboxes[target].append(batch)
        return [window.report for window in windows]

    def snapshot(self, into: Path) -> list[ChunkNote]:
        """Has every shard write what it is; what was on its way has arrived then."""
        inboxes, self._inboxes = self._inboxes, [[] for _ in self._shards]
        return self._gather(
            [
                shard.snapshot.remote(into.absolute(), *inboxes[number])
                for number, shard in enumerate(self._shards)
            ]
        )

    def close(self) -> list[Closing]:
        """Seals every shard that is still there, each after the window it may be in.

        Raises:
            RunFailedError: If one has died; the others are sealed all the same.
        """
        return self._gather([shard.close.remote() for shard in self._shards])

    def kill(self) -> None:
        """Ends the processes of the shards."""
        for shard in self._shards:
            with suppress(RayError):
                ray.kill(shard)

    def wait_until_gone(self) -> None:
        """Waits until no shard of this machine is there any more, after ``kill``.

        Raises:
            LostError: If one of them does not go.
        """
        began = time.monotonic()
        left = {one.pid for one in self._openings if one.host == socket.gethostname()}
        while left := {pid for pid in left if is_running(pid)}:
            if time.monotonic() - began > _END_PATIENCE:
                raise LostError(what=f"shard process {min(left)} does not end")
            time.sleep(_LOOK_AROUND)

    def pids(self) -> set[int]:
        """Returns the processes of the shards."""
        return {one.pid for one in self._openings}

    def _gather(self, refs: list[ObjectRef[T | Raised]], patience: float | None = None) -> list[T]:
        """Waits for one call to each shard."""
        pending = refs
        looked = time.monotonic()
        while pending:
            before = len(pending)
            _, pending = ray.wait(pending, num_returns=len(pending), timeout=_LOOK_AROUND)
            self._tend()
            if len(pending) < before:
                looked = time.monotonic()
            elif patience is not None and time.monotonic() - looked > patience:
                up = len(refs) - len(pending)
                raise RunFailedError(
                    what=f"only {up} of {len(refs)} shards came up; use fewer --shards"
                )
        return [unwrapped(self._fetch(number, ref)) for number, ref in enumerate(refs)]

    def _fetch(self, number: int, ref: ObjectRef[T]) -> T:
        try:
            return ray.get(ref)
        except RayError as lost:
            reason = str(lost).strip().splitlines()[0]
            raise LostError(
                what=f"shard {number} of {len(self._shards)} is lost: {reason.rstrip('.')}"
            ) from lost

"""Workers under Ray: long-lived processes, one per core, that carry out jobs and ask minds.

A worker that dies is replaced, and its task is carried out again: what really breaks costs time
and changes nothing. Workers step back to nice 15, so that shards never wait for them.
"""

import os
import socket
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import ray
from ray import ObjectRef
from ray.exceptions import RayError, RayTaskError

from swarm.errors import RunFailedError
from swarm.pipeline.wire import codec
from swarm.pipeline.workbench import Workbench
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.cpu_time import process_seconds
from swarm.runtime.jobs import Done, Task, execute, prepare
from swarm.runtime.ray_calls import Raised, shielded, unwrapped
from swarm.runtime.results import ResultStore

MAX_RETRIES = 3
_NICE = 15
_PATIENCE = 1.0
_START_PATIENCE = 600.0


class Reply(NamedTuple):
    """What a worker says after each call."""

    value: Done | Raised | None
    pid: int
    host: str
    seconds: float
    """CPU-seconds of its process since it began."""


class Worker:
    """Lives in a process of its own.

    Args:
        bench: Corpus and artifacts.
        store: Where results are kept as soon as they are there.
    """

    def __init__(self, bench: Workbench, store: ResultStore) -> None:
        self._bench = bench
        self._store = store
        os.nice(_NICE)

    def warm_up(self, blueprint: Blueprint) -> Reply:
        """Imports what the jobs of a lab need, so that the first of them need not."""
        wrong = shielded(prepare, blueprint.stages, fidelity=blueprint.fidelity)
        return _reply(wrong)

    def execute(self, key: str, task: Task) -> Reply:
        """Carries out one task, and keeps its result under a key."""
        return _reply(shielded(self._execute, key, task))

    def _execute(self, key: str, task: Task) -> Done:
        done = execute(task, self._bench)
        self._store.put(key, done)
        return done


def _reply(value: Done | Raised | None) -> Reply:
    return Reply(value, os.getpid(), socket.gethostname(), time.process_time())


@dataclass(eq=False)
class _Seat:
    """A worker as the backend sees it."""

    handle: Any  # Any: Ray makes the class of a handle when it runs
    waits_for: ObjectRef[Reply] | None
    """The call under way; None when idle."""
    key: str = ""
    """The task under way; empty while it warms up or idles."""
    pid: int = 0
    host: str = ""
    seconds: float = 0.0

    def used(self) -> float:
        """CPU-seconds so far, as told by the worker or, for one on this machine, the system."""
        here = process_seconds(self.pid) if self.host == socket.gethostname() else 0.0
        return max(self.seconds, here)


class RayBackend:
    """Hands tasks to idle workers in the order of submission.

    Args:
        blueprint: Where it is; it says what workers may import ahead.
        bench: Corpus and artifacts.
        n_workers: Processes.
        store: Where workers keep results.
    """

    def __init__(
        self,
        blueprint: ObjectRef[Blueprint],
        bench: Workbench,
        *,
        n_workers: int,
        store: ResultStore,
    ) -> None:
        self._store = store
        self._blueprint = blueprint
        self._bench = bench
        self._n_workers = n_workers
        self._seats: list[_Seat] = []
        self._queue: deque[str] = deque()
        self._tasks: dict[str, Task] = {}
        self._losses: dict[str, int] = {}
        self._done: dict[str, Done | Raised] = {}
        self._lost_seconds = 0.0
        self._lost_starts = 0
        self._began: float | None = None

    def open(self) -> None:
        """Starts the workers, if they are not there; returns before they are up."""
        if not self._seats:
            self._began = time.monotonic()
            self._seats = [self._new_seat() for _ in range(self._n_workers)]

    def submit(self, key: str, task: Task) -> None:
        """Takes a task; does not block."""
        self._tasks[key] = task
        self._queue.append(key)
        self.open()
        self.tend()

    def result(self, key: str) -> Done:
        """Waits for the task of that key; other tasks go on meanwhile."""
        while key not in self._done:
            self.tend(_PATIENCE)
            self._check_start()
        del self._tasks[key]
        return unwrapped(self._done.pop(key))

    def running(self) -> int:
        """Tasks being carried out now."""
        self.tend()
        return sum(1 for seat in self._seats if seat.key)

    def tend(self, timeout: float = 0.0) -> None:
        """Takes what is done and hands out what waits.

        Args:
            timeout: Seconds to wait for something to be done.
        """
        busy = {seat.waits_for: seat for seat in self._seats if seat.waits_for is not None}
        if busy:
            n = 1 if timeout else len(busy)
            ready, _ = ray.wait(list(busy), num_returns=n, timeout=timeout)
            for ref in ready:
                self._collect(busy[ref], ref)
        for seat in self._seats:
            if self._queue and seat.waits_for is None:
                seat.key = self._queue.popleft()
                seat.waits_for = seat.handle.execute.remote(seat.key, self._tasks[seat.key])

    def pids(self) -> set[int]:
        """Returns the processes of the workers that have come up."""
        return {seat.pid for seat in self._seats if seat.pid}

    def close(self) -> float:
        """Ends the workers, busy or not; returns the CPU-seconds they used."""
        used = self._lost_seconds + sum(seat.used() for seat in self._seats)
        self.kill()
        return used

    def kill(self) -> None:
        """Ends the processes of the workers."""
        for seat in self._seats:
            with suppress(RayError):
                ray.kill(seat.handle)

    def _new_seat(self) -> _Seat:
        kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
        handle: Any = kind.remote(self._bench, self._store)  # Any: as in _Seat
        return _Seat(handle=handle, waits_for=handle.warm_up.remote(self._blueprint))

    def _collect(self, seat: _Seat, ref: ObjectRef[Reply]) -> None:
        try:
            reply = ray.get(ref)
        except RayTaskError as wrong:
            raise RunFailedError(what=f"a worker could not be spoken to: {wrong}") from wrong
        except RayError as lost:
            self._replace(seat, lost)
            return
        seat.pid, seat.host, seat.seconds = reply.pid, reply.host, reply.seconds
        if seat.key:
            assert reply.value is not None
            self._done[seat.key] = reply.value
        else:
            unwrapped(reply.value)
            self._lost_starts = 0
        seat.key, seat.waits_for = "", None

    def _replace(self, seat: _Seat, lost: RayError) -> None:
        self._lost_seconds += seat.seconds
        self._seats[self._seats.index(seat)] = self._new_seat()
        reason = str(lost).strip().splitlines()[0]
        if not seat.key:
            self._lost_starts += 1
            if self._lost_starts > MAX_RETRIES * self._n_workers:
                raise RunFailedError(what=f"workers die as they start: {reason}")
            return
        losses = self._losses[seat.key] = self._losses.get(seat.key, 0) + 1
        if losses <= MAX_RETRIES:
            self._queue.appendleft(seat.key)
            return
        task = self._tasks[seat.key]
        what = f"question for mind {task.mind!r}" if task.mind else "job"
        tag = codec().decode(task.payload).__struct_config__.tag
        error = RunFailedError(
            what=f"the {what} {tag} lost its worker {losses} times ({reason}); it may need more"
            " memory than there is: try fewer --workers"
        )
        self._done[seat.key] = Raised(error=error, story="")

    def _check_start(self) -> None:
        is_up = any(seat.pid for seat in self._seats)
        if not is_up and self._began and time.monotonic() - self._began > _START_PATIENCE:
            raise RunFailedError(
                what=f"no worker came up in {_START_PATIENCE:.0f} s: Ray has no free CPU for one"
            )

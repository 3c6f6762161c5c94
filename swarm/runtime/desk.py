"""The desk: takes orders from actors, has them carried out, and hands the answers back.

Equal tasks are carried out once: a result is a function of its specification (the seed is in it),
the code, the libraries and the processor. Whether an answer came from the cache changes no
digest. By default results live as long as the run; a folder keeps them for later runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import msgspec

from swarm.errors import RunFailedError, boundary
from swarm.kernel.context import Order
from swarm.kernel.message import Message
from swarm.kernel.roster import Roster
from swarm.minds.human import PERSON
from swarm.pipeline.wire import codec
from swarm.pipeline.workbench import Workbench
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.jobs import Done, Task, execute, load_mind
from swarm.runtime.results import ResultStore
from swarm.runtime.snapshots import DeskFrame
from swarm.runtime.versions import versions


class Backend(Protocol):
    """Carries out tasks somewhere: in this process, or on workers."""

    def submit(self, key: str, task: Task) -> None:
        """Takes a task; does not block."""

    def result(self, key: str) -> Done:
        """Waits for the task of that key."""

    def running(self) -> int:
        """Tasks being carried out now."""

    def close(self) -> float:
        """Ends the workers; returns the CPU-seconds they used in all, jobs included."""


class InlineBackend:
    """Carries out a task in this process, when its result is first needed."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._waiting: dict[str, Task] = {}

    def submit(self, key: str, task: Task) -> None:
        """Keeps the task until its result is needed."""
        self._waiting[key] = task

    def result(self, key: str) -> Done:
        """Carries out the task."""
        return execute(self._waiting.pop(key), self._bench)

    def running(self) -> int:
        """Nothing runs beside the caller."""
        return 0

    def close(self) -> float:
        """The caller's own CPU-seconds already count these."""
        return 0.0


@dataclass
class DeskCounts:
    """How many tasks, and what they cost."""

    jobs: int = 0
    jobs_done: int = 0
    jobs_cached: int = 0
    questions: int = 0
    cpu_seconds_in_jobs: float = 0.0
    cpu_seconds_in_minds: float = 0.0


class Desk:
    """Orders in, answers out.

    Args:
        blueprint: Says which mind answers whom.
        bench: Corpus and artifacts.
        backend: Where tasks are carried out.
        cache_dir: Keeps results for later runs, if given.
        store: Keeps results for this run, should it be disturbed.
        recorded: Answers by message id that the journal holds already; they are not computed again.
        start: What a snapshot holds of the desk.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        bench: Workbench,
        backend: Backend,
        cache_dir: Path | None = None,
        store: ResultStore | None = None,
        recorded: Mapping[int, bytes] = MappingProxyType({}),
        start: DeskFrame = DeskFrame(),  # noqa: B008  frozen
    ) -> None:
        self.counts = DeskCounts(
            jobs=start.jobs,
            jobs_done=start.jobs_done,
            jobs_cached=start.jobs_cached,
            questions=start.questions,
            cpu_seconds_in_jobs=start.cpu_seconds_in_jobs,
            cpu_seconds_in_minds=start.cpu_seconds_in_minds,
        )
        self._store = store
        self._recorded = recorded
        self._seen = set(start.seen)
        self._roster = Roster(blueprint.roster)
        self._blueprint = blueprint
        self._bench = bench
        self._backend = backend
        self._cache_dir = cache_dir
        self._open: dict[str, Task] = {}
        self._done: dict[str, Done] = {}
        self._salt = msgspec.json.encode(versions(), order="sorted")

    def submit(self, orders: Sequence[Order]) -> None:
        """Starts what was ordered, in a canonical order."""
        for order in sorted(orders, key=lambda o: (o.due, o.answer)):
            task = self._task(order)
            key = self._key(task)
            is_new = self._enter(key, task)
            self._start(key, task, answer=self._recorded.get(order.answer), is_paid=not is_new)
            if order.sort == "run":
                self.counts.jobs += 1
            else:
                self.counts.questions += 1

    def reopen(self, orders: Sequence[Order]) -> None:
        """Starts again what was ordered before a snapshot and is not answered yet."""
        for order in sorted(orders, key=lambda o: (o.due, o.answer)):
            task = self._task(order)
            self._start(self._key(task), task, answer=self._recorded.get(order.answer))

    def go_back(self, recorded: Mapping[int, bytes], start: DeskFrame) -> None:
        """Forgets what was ordered after a snapshot; what runs goes on, what it cost stays."""
        counts = self.counts
        counts.jobs, counts.questions = start.jobs, start.questions
        counts.jobs_cached = start.jobs_cached
        self._seen = set(start.seen)
        self._recorded = recorded

    def freeze(self) -> DeskFrame:
        """Returns what a snapshot holds of the desk."""
        return DeskFrame(**vars(self.counts), seen=sorted(self._seen))

    def answers(self, orders: Sequence[Order]) -> list[tuple[Order, bytes]]:
        """Waits for the answers to some orders."""
        return [(order, self._finish(self._key(self._task(order)))) for order in orders]

    def perform(self, jobs: Sequence[Message]) -> list[Message]:
        """Carries out jobs for the host itself, side by side, and returns their results."""
        tasks = [self._job(job) for job in jobs]
        keys = [self._key(task) for task in tasks]
        for key, task in zip(keys, tasks, strict=True):
            is_new = self._enter(key, task)
            self._start(key, task, is_paid=not is_new)
        self.counts.jobs += len(tasks)
        return [codec().decode(self._finish(key)) for key in keys]

    def running(self) -> int:
        """Tasks being carried out now."""
        return self._backend.running()

    def close(self) -> float:
        """Ends the workers; returns the CPU-seconds they used."""
        return self._backend.close()

    def _task(self, order: Order) -> Task:
        if order.sort == "run":
            return self._job(order.message)
        mind = self._blueprint.mind_of(self._roster.name(order.rank))
        return Task(codec().encode(order.message), mind=mind)

    def _job(self, job: Message) -> Task:
        return Task(codec().encode(job), fidelity=self._blueprint.fidelity)

    def _key(self, task: Task) -> str:
        return sha256(
            self._salt + f"{task.mind} {task.fidelity} ".encode() + task.payload
        ).hexdigest()

    def _enter(self, key: str, task: Task) -> bool:
        """Notes that a task was ordered; returns whether it was never ordered before."""
        if key in self._seen:
            self.counts.jobs_cached += not task.mind
            return False
        self._seen.add(key)
        return True

    def _start(
        self, key: str, task: Task, *, answer: bytes | None = None, is_paid: bool = False
    ) -> None:
        """Has a task carried out, unless its result is known.

        Args:
            key: What makes equal tasks equal.
            task: What to do.
            answer: What the journal holds.
            is_paid: Whether what it cost was counted before.
        """
        if key in self._done or key in self._open:
            return
        kept = None if self._store is None else self._store.get(key)
        if kept is not None:
            self._done[key] = kept if is_paid else self._count(task, kept)
        elif answer is not None:
            self._done[key] = Done(answer, 0.0)
        elif (cached := self._kept(key)) is not None:
            self._done[key] = cached
            self.counts.jobs_cached += not (task.mind or is_paid)
        elif task.mind and load_mind(task.mind).is_light:
            self._done[key] = self._count(task, execute(task, self._bench))
        else:
            self._open[key] = task
            self._backend.submit(key, task)

    def _finish(self, key: str) -> bytes:
        if key not in self._done:
            task = self._open.pop(key)
            done = self._done[key] = self._count(task, self._backend.result(key))
            if task.mind != PERSON:  # what a person said of one run is not said of another
                self._keep(key, done)
            if self._store is not None and key not in self._store:  # a worker may have been first
                self._store.put(key, done)
        return self._done[key].payload

    def _count(self, task: Task, done: Done) -> Done:
        if task.mind:
            self.counts.cpu_seconds_in_minds += done.cpu_seconds
        else:
            self.counts.jobs_done += 1
            self.counts.cpu_seconds_in_jobs += done.cpu_seconds
        return done

    def _kept(self, key: str) -> Done | None:
        if self._cache_dir is None or not (path := self._cache_dir / key).exists():
            return None
        return Done(path.read_bytes(), 0.0, is_cached=True)

    def _keep(self, key: str, done: Done) -> None:
        if self._cache_dir is None:
            return
        with boundary(RunFailedError, f"keeping a result in {self._cache_dir}"):
            self._cache_dir.mkdir(parents=True, exist_ok=True)
            partial = self._cache_dir / f".{key}"
            partial.write_bytes(done.payload)
            partial.rename(self._cache_dir / key)

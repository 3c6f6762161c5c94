import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from msgspec.structs import replace

from swarm.errors import RunFailedError, UsageError
from swarm.pipeline.pretraining.corpus import build_corpus
from swarm.pipeline.pretraining.spec import Trained
from swarm.pipeline.wire import codec
from swarm.pipeline.workbench import Workbench
from swarm.runtime.jobs import Task, execute
from swarm.runtime.launch import Options
from swarm.runtime.ray_start import RaySession
from swarm.runtime.ray_workers import MAX_RETRIES, RayBackend
from swarm.runtime.results import ResultStore
from swarm.scenarios import gossip
from swarm.units import Flops
from tests.runtime.jobs_for_tests import JOB

pytestmark = pytest.mark.ray


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(corpus_dir=tmp_path / "corpus", artifacts_dir=tmp_path / "artifacts")


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


@pytest.fixture
def backend(bench: Workbench, store: ResultStore, local_ray: RaySession) -> Iterator[RayBackend]:
    blueprint = gossip.lab().build(Options())
    made = RayBackend(ray.put(blueprint), bench, n_workers=2, store=store)
    yield made
    made.kill()


def surrogate(seed: int) -> Task:
    return Task(codec().encode(replace(JOB, seed=seed)), fidelity="surrogate")


def wait_for_start(backend: RayBackend) -> set[int]:
    backend.open()
    while len(backend.pids()) < 2:
        backend.tend(1.0)
    return backend.pids()


def test_results_are_those_of_this_process_in_whatever_order_they_are_taken(
    backend: RayBackend, bench: Workbench
) -> None:
    for seed in range(6):
        backend.submit(str(seed), surrogate(seed))

    results = {seed: backend.result(str(seed)).payload for seed in (5, 0, 3, 1, 4, 2)}

    assert results == {seed: execute(surrogate(seed), bench).payload for seed in range(6)}
    assert backend.running() == 0
    assert backend.close() > 0.1


def test_a_result_is_on_the_disk_before_anybody_asks_for_it(
    backend: RayBackend, store: ResultStore
) -> None:
    backend.submit("asked", surrogate(0))
    backend.submit("not asked", surrogate(1))

    results = [backend.result("asked"), backend.result("not asked")]

    assert [store.get("asked"), store.get("not asked")] == [
        done._replace(cpu_seconds=round(done.cpu_seconds, 6)) for done in results
    ]


@pytest.mark.torch
def test_a_training_gives_the_same_weights_to_the_bit_on_a_worker(
    backend: RayBackend, bench: Workbench
) -> None:
    corpus = build_corpus(None, bench.corpus_dir, 0, cap_bytes=1_500_000)
    task = Task(codec().encode(replace(JOB, corpus=corpus.hash, flops=Flops(2 * 10**9))))
    backend.submit("train", task)

    here, there = execute(task, bench), backend.result("train")

    assert isinstance(codec().decode(there.payload), Trained)
    assert there.payload == here.payload
    assert there.cpu_seconds > 0


def test_at_most_one_task_a_worker_runs_in_the_order_of_submission(backend: RayBackend) -> None:
    wait_for_start(backend)
    for seed in range(5):
        backend.submit(str(seed), surrogate(seed))

    backend.result("2")

    assert not {"0", "1"} & set(backend._queue)
    assert len([seat for seat in backend._seats if seat.key]) <= 2


def test_a_worker_that_is_killed_costs_nothing_but_time(
    backend: RayBackend, bench: Workbench
) -> None:
    first, second = sorted(wait_for_start(backend))
    for seed in range(6):
        backend.submit(str(seed), surrogate(seed))
    os.kill(first, signal.SIGKILL)
    os.kill(second, signal.SIGKILL)

    results = [backend.result(str(seed)).payload for seed in range(6)]

    assert results == [execute(surrogate(seed), bench).payload for seed in range(6)]
    while len(backend.pids()) < 2:
        backend.tend(1.0)
    assert not backend.pids() & {first, second}


def test_a_task_that_always_loses_its_worker_is_given_up_by_name(backend: RayBackend) -> None:
    wait_for_start(backend)
    backend.submit("deadly", Task(codec().encode(JOB)))

    killed: set[int] = set()
    while "deadly" not in backend._done:
        # Ray takes a moment to notice, so a seat may still show a process that is gone.
        busy = {seat.pid for seat in backend._seats if seat.key and seat.pid}
        for pid in busy - killed:
            os.kill(pid, signal.SIGKILL)
        killed |= busy
        backend.tend(1.0)

    said = rf"job pretraining.train lost its worker {MAX_RETRIES + 1} times"
    with pytest.raises(RunFailedError, match=said):
        backend.result("deadly")


def test_what_a_task_raises_is_raised_here(backend: RayBackend) -> None:
    backend.submit("lost", Task(codec().encode(JOB), mind="absent_minded"))

    with pytest.raises(UsageError, match="no mind is named 'absent_minded'"):
        backend.result("lost")


def test_workers_step_back_behind_shards(backend: RayBackend) -> None:
    nice = {os.getpriority(os.PRIO_PROCESS, pid) for pid in wait_for_start(backend)}

    assert nice == {15}

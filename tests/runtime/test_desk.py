from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from swarm.errors import RunFailedError
from swarm.kernel.context import Order
from swarm.kernel.message import Message
from swarm.pipeline.pretraining.spec import Trained
from swarm.pipeline.wire import codec
from swarm.pipeline.workbench import Workbench
from swarm.runtime.desk import Backend, Desk, InlineBackend
from swarm.runtime.jobs import Done, Task, execute
from swarm.runtime.launch import Options
from swarm.scenarios import gossip
from tests.runtime.jobs_for_tests import JOB


class Ledger:
    """A backend that carries out at once and keeps what it was given."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self.tasks: list[Task] = []
        self._done: dict[str, Done] = {}

    def submit(self, key: str, task: Task) -> None:
        self.tasks.append(task)
        self._done[key] = execute(task, self._bench)

    def result(self, key: str) -> Done:
        return self._done.pop(key)

    def running(self) -> int:
        return 0

    def close(self) -> float:
        return 2.5


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(corpus_dir=tmp_path / "corpus", artifacts_dir=tmp_path / "artifacts")


@pytest.fixture
def ledger(bench: Workbench) -> Ledger:
    return Ledger(bench)


def desk_of(bench: Workbench, backend: Backend, cache_dir: Path | None = None) -> Desk:
    blueprint = replace(gossip.lab().build(Options()), fidelity="surrogate")
    return Desk(blueprint, bench=bench, backend=backend, cache_dir=cache_dir)


def order(number: int, job: Message = JOB, due: int = 9) -> Order:
    return Order("run", due, 0, number + 1, number, job)


def test_equal_tasks_are_carried_out_once_and_answered_each(
    bench: Workbench, ledger: Ledger
) -> None:
    desk = desk_of(bench, ledger)
    orders = [order(0), order(2), order(4, changed(JOB, seed=1))]

    desk.submit(orders)
    answers = desk.answers(orders)

    assert len(ledger.tasks) == 2
    assert [one for one, _ in answers] == orders
    assert answers[0][1] == answers[1][1] != answers[2][1]
    assert (desk.counts.jobs, desk.counts.jobs_cached) == (3, 1)
    assert desk.counts.cpu_seconds_in_jobs > 0


def test_tasks_start_in_the_order_in_which_their_answers_are_due(
    bench: Workbench, ledger: Ledger
) -> None:
    first, second, third = (changed(JOB, seed=seed) for seed in range(3))

    desk_of(bench, ledger).submit([order(6, third, 20), order(4, second), order(2, first)])

    assert [codec().decode(task.payload) for task in ledger.tasks] == [first, second, third]


def test_a_folder_keeps_results_for_later_runs(
    bench: Workbench, ledger: Ledger, tmp_path: Path
) -> None:
    before = desk_of(bench, ledger, tmp_path / "kept")
    before.submit([order(0)])
    answer = before.answers([order(0)])
    desk = desk_of(bench, ledger, tmp_path / "kept")

    desk.submit([order(0)])

    assert desk.answers([order(0)]) == answer
    assert len(ledger.tasks) == 1
    assert desk.counts.jobs_cached == 1
    assert desk.counts.cpu_seconds_in_jobs == 0.0


def test_a_folder_that_cannot_be_written_fails_the_run(
    bench: Workbench, ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("in the way")
    desk = desk_of(bench, ledger, tmp_path / "kept" / "results")
    desk.submit([order(0)])

    with pytest.raises(RunFailedError, match="keeping a result in"):
        desk.answers([order(0)])


def test_the_host_may_order_jobs_too(bench: Workbench, ledger: Ledger) -> None:
    results = desk_of(bench, ledger).perform([JOB, changed(JOB, seed=1), JOB])

    assert all(isinstance(one, Trained) for one in results)
    assert results[0] == results[2] != results[1]
    assert len(ledger.tasks) == 2


def test_closing_tells_what_the_workers_used(bench: Workbench, ledger: Ledger) -> None:
    assert desk_of(bench, ledger).close() == 2.5


def test_inline_a_task_is_carried_out_when_its_result_is_needed(bench: Workbench) -> None:
    backend = InlineBackend(bench)

    backend.submit("a", Task(codec().encode(JOB), fidelity="surrogate"))

    assert not bench.artifacts_dir.exists()
    assert isinstance(codec().decode(backend.result("a").payload), Trained)
    assert bench.artifacts_dir.exists()
    assert (backend.running(), backend.close()) == (0, 0.0)

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec.structs import replace as changed

from swarm.comms.journal import JournalWriter, read_journal
from swarm.kernel.context import Order
from swarm.kernel.message import message_id
from swarm.pipeline.pretraining.spec import Trained
from swarm.pipeline.wire import codec
from swarm.pipeline.workbench import Workbench
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.coordinator import Coordinator
from swarm.runtime.desk import Desk, InlineBackend
from swarm.runtime.launch import Options
from swarm.runtime.shard import Closing, WindowReport
from swarm.runtime.snapshots import ChunkNote
from swarm.scenarios import gossip
from tests.runtime.jobs_for_tests import JOB

Answers = Mapping[int, Sequence[tuple[Order, bytes]]]


class Script:
    """A host of two shards that reports what it is told to, and keeps what it is asked."""

    def __init__(self, first: int | None, reports: Sequence[WindowReport], journal: Path) -> None:
        self.ranges: Sequence[range] = (range(10), range(10, 20))
        self.windows: list[tuple[int, dict[int, list[tuple[Order, bytes]]]]] = []
        self.journalled: list[int] = []
        self._first, self._reports, self._journal = first, list(reports), journal

    def first_due(self) -> int | None:
        return self._first

    def run_window(self, end: int, answers: Answers) -> list[WindowReport]:
        self.windows.append((end, {shard: list(some) for shard, some in answers.items()}))
        self.journalled.append(len(read_journal(self._journal)[0]))
        return [self._reports.pop(0), report(None)]

    def snapshot(self, into: Path) -> list[ChunkNote]:
        return []

    def close(self) -> list[Closing]:
        return []


def report(next_due: int | None, *orders: Order, delivered: int = 0) -> WindowReport:
    return WindowReport(next_due, list(orders), [], delivered)


def order(rank: int, due: int, counter: int, seed: int = 0) -> Order:
    request = message_id(rank, counter)
    return Order("run", due, rank, request + 1, request, changed(JOB, seed=seed))


def blueprint(**changes: object) -> Blueprint:
    made = gossip.lab(**{"roles.gossiper": 20}).build(Options())
    return replace(made, fidelity="surrogate", **changes)  # type: ignore[arg-type]


def run(plan: Blueprint, folder: Path, first: int | None, *reports: WindowReport) -> Script:
    host = Script(first, reports, folder / "journal")
    bench = Workbench(corpus_dir=folder, artifacts_dir=folder / "artifacts")
    journal = JournalWriter(folder / "journal")
    desk = Desk(plan, bench=bench, backend=InlineBackend(bench))
    Coordinator(plan, host=host, desk=desk, journal=journal).run()
    journal.close()
    return host


def test_a_window_begins_at_the_earliest_event_and_lasts_the_lookahead(tmp_path: Path) -> None:
    host = run(blueprint(lookahead=5), tmp_path, 3, report(100), report(None))

    assert [end for end, _ in host.windows] == [8, 105]


def test_the_last_window_ends_where_the_run_does(tmp_path: Path) -> None:
    host = run(blueprint(lookahead=5, until=102), tmp_path, 3, report(100), report(102))

    assert [end for end, _ in host.windows] == [8, 102]


def test_a_lab_at_rest_opens_no_window(tmp_path: Path) -> None:
    assert run(blueprint(), tmp_path, None).windows == []


def test_an_answer_comes_when_it_is_due_to_the_shard_that_asked(tmp_path: Path) -> None:
    early, late = order(rank=3, due=7, counter=1), order(rank=12, due=30, counter=1, seed=1)

    host = run(blueprint(), tmp_path, 0, report(None, late, early), *[report(None)] * 2)

    assert [end for end, _ in host.windows] == [1, 8, 31]
    assert [list(answers) for _, answers in host.windows] == [[], [0], [1]]
    ((got, payload),) = host.windows[1][1][0]
    assert got == early
    assert isinstance(codec().decode(payload), Trained)


def test_answers_of_one_window_come_in_canonical_order(tmp_path: Path) -> None:
    orders = [order(rank=5, due=9, counter=2), order(rank=5, due=9, counter=8, seed=1)]

    host = run(blueprint(), tmp_path, 0, report(None, *reversed(orders)), report(None))

    assert [got for got, _ in host.windows[1][1][0]] == orders


def test_an_answer_is_in_the_journal_before_it_is_delivered(tmp_path: Path) -> None:
    one = order(rank=3, due=7, counter=1)

    host = run(blueprint(), tmp_path, 0, report(None, one), report(None))

    assert host.journalled == [0, 1]
    records, wrong = read_journal(tmp_path / "journal")
    assert wrong is None
    assert [(r.id, r.request, r.due, r.rank, r.sort) for r in records] == [
        (one.answer, one.request, 7, 3, "run")
    ]


def test_progress_adds_up_over_shards(tmp_path: Path) -> None:
    host = Script(4, [report(9, delivered=10), report(None, delivered=25)], tmp_path / "journal")
    JournalWriter(tmp_path / "journal").close()
    bench = Workbench(corpus_dir=tmp_path, artifacts_dir=tmp_path)
    desk = Desk(blueprint(), bench=bench, backend=InlineBackend(bench))
    seen: list[tuple[int, int, int]] = []

    Coordinator(
        blueprint(),
        host=host,
        desk=desk,
        journal=None,
        on_window=lambda p: seen.append((p.now, p.windows, p.messages)),
    ).run()

    assert seen == [(4, 1, 10), (9, 2, 25)]

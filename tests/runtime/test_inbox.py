import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from swarm.comms.journal import read_journal
from swarm.comms.messages import human
from swarm.errors import UsageError
from swarm.minds.human import PERSON
from swarm.pipeline.wire import codec
from swarm.pipeline.workbench import Workbench
from swarm.runtime.desk import InlineBackend
from swarm.runtime.inbox import (
    PeopleBackend,
    answer,
    inbox_lines,
    inbox_object,
    is_waiting,
    read_inbox,
)
from swarm.runtime.jobs import Task
from swarm.runtime.launch import Options, Outcome, launch, resume
from swarm.runtime.replay import replay
from tests.gated import HASTY, PATIENT, gate, open_items, sought, until
from tests.runtime.jobs_for_tests import JOB


@contextmanager
def person(act: Callable[[], None]) -> Iterator[None]:
    """Somebody who acts in a thread while the run waits; what goes wrong there fails the test."""
    wrong: list[BaseException] = []

    def work_on() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001  the test raises it
            wrong.append(error)

    thread = threading.Thread(target=work_on)
    thread.start()
    yield
    thread.join()
    assert wrong == []


def say(run: Path, *words: tuple[bool, str]) -> None:
    """Answers one question after the other, as each comes."""
    for is_approved, reason in words:
        until(lambda: bool(open_items(run)) and is_waiting(run))
        name = open_items(run)[0].question.id
        answer(run, name, is_approved=is_approved, reason=reason)


def run_and_say(run: Path, *words: tuple[bool, str]) -> Outcome:
    with person(lambda: say(run, *words)):
        return launch(gate(deadline=PATIENT), Options(out=run, is_live=False))


def heard(run: Path) -> list[str]:
    lines = (run / "notes" / "asker-0.md").read_text().splitlines()
    return [line.partition("] ")[2] for line in lines if line.startswith("- ")]


def journalled(run: Path) -> list[human.Decided]:
    records, _ = read_journal(run / "journal")
    return [msgspec.json.decode(bytes(one.answer), type=human.Decided) for one in records]


def test_a_run_waits_for_a_person_whose_answers_are_journalled_and_replay(tmp_path: Path) -> None:
    run = tmp_path / "run"

    outcome = run_and_say(run, (True, "seen the curves"), (False, "too dear"))

    assert outcome.status == "ok"
    assert heard(run) == ["Approved asker-0/1: seen the curves", "Vetoed asker-0/2: too dear"]
    assert [one.reason for one in journalled(run)] == ["seen the curves", "too dear"]
    assert replay(run, gate(deadline=PATIENT)).exit_code == 0


def test_a_gate_costs_wall_time_and_no_virtual_time(tmp_path: Path) -> None:
    quick = launch(gate(deadline=HASTY), Options(out=tmp_path / "quick", is_live=False))

    slow = run_and_say(tmp_path / "slow", (True, "yes"), (True, "yes"))

    assert slow.summary["virtual_seconds"] == quick.summary["virtual_seconds"]


@pytest.mark.parametrize(("policy", "kind"), [(True, "Approved"), (False, "Vetoed")])
def test_after_the_deadline_the_policy_answers(tmp_path: Path, kind: str, *, policy: bool) -> None:
    run = tmp_path / "run"

    launch(gate(deadline=HASTY, policy=policy), Options(out=run, is_live=False))

    assert heard(run) == [f"{kind} asker-0/{n}: nobody answered in time" for n in (1, 2)]
    said = [item.answer for item in read_inbox(run)]
    assert [one.by for one in said if one is not None] == ["policy", "policy"]
    assert replay(run, gate(deadline=HASTY, policy=policy)).exit_code == 0


def test_an_interrupted_run_asks_again_only_what_was_not_answered(tmp_path: Path) -> None:
    run, options = tmp_path / "run", Options(out=tmp_path / "run", is_live=False)
    main = threading.main_thread().ident or 0

    def answer_one_and_press_ctrl_c() -> None:
        say(run, (True, "first"))
        until(lambda: bool(open_items(run)))
        signal.pthread_kill(main, signal.SIGINT)

    with person(answer_one_and_press_ctrl_c):
        stopped = launch(gate(deadline=PATIENT), options)
    waiting = [item.question.sought.contract for item in open_items(run)]
    with person(lambda: say(run, (False, "second"))):
        ended = resume(run, gate(deadline=PATIENT), replace(options, out=None))

    assert (stopped.status, ended.status) == ("interrupted", "ok")
    assert waiting == ["asker-0/2"]
    assert heard(run) == ["Approved asker-0/1: first", "Vetoed asker-0/2: second"]
    assert len(read_inbox(run)) == 2
    assert replay(run, gate(deadline=PATIENT)).exit_code == 0


def test_an_answer_that_came_just_before_a_crash_is_not_asked_for_again(tmp_path: Path) -> None:
    backend, key, task = waiting_backend(tmp_path)
    backend.submit(key, task)
    write_answer(tmp_path, key, is_approved=False, reason="no")

    again, _, _ = waiting_backend(tmp_path)
    again.submit(key, task)

    decided = codec().decode(again.result(key).payload)
    assert decided == human.Decided(is_approved=False, reason="no")


def test_other_tasks_go_to_the_other_backend_and_are_tended_while_a_person_thinks(
    tmp_path: Path,
) -> None:
    backend, key, task = waiting_backend(tmp_path)

    backend.submit("job", Task(codec().encode(JOB), fidelity="surrogate"))
    backend.submit(key, task)

    assert backend.result("job").cpu_seconds > 0.0
    assert [path.name for path in (tmp_path / "inbox").iterdir()] == [f"{key[:8]}.json"]
    assert (backend.running(), backend.close()) == (0, 0.0)


def test_who_watches_is_told_what_the_run_waits_for(tmp_path: Path) -> None:
    told: list[str] = []
    backend, key, task = waiting_backend(tmp_path, deadline=HASTY, tell=told.append)
    backend.submit(key, task)

    backend.result(key)

    assert told == [f"waiting for a person: python -m swarm inbox {tmp_path}"]


def test_a_question_that_people_are_not_asked_is_refused(tmp_path: Path) -> None:
    backend, key, _ = waiting_backend(tmp_path)

    with pytest.raises(UsageError, match=r"answers human\.decide only, came .* type Train"):
        backend.submit(key, Task(codec().encode(JOB), mind=PERSON))


def test_a_question_can_be_answered_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcomes: list[str] = []

    def answer_twice() -> None:
        until(lambda: bool(open_items(run)))
        first = open_items(run)[0].question.id
        answer(run, first, is_approved=True)
        with pytest.raises(UsageError) as twice:
            answer(run, first, is_approved=False)
        outcomes.append(str(twice.value))
        say(run, (True, ""))

    with person(answer_twice):
        launch(gate(deadline=PATIENT), Options(out=run, is_live=False))

    assert "was answered before: approved by person at" in outcomes[0]
    assert heard(run)[0] == "Approved asker-0/1: no reason given"


def test_an_unknown_question_is_refused_with_those_that_wait(tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcomes: list[str] = []

    def ask_for_another() -> None:
        until(lambda: bool(open_items(run)))
        with pytest.raises(UsageError) as unknown:
            answer(run, "nonsense", is_approved=True)
        outcomes.extend((str(unknown.value), open_items(run)[0].question.id))
        say(run, (True, ""), (True, ""))

    with person(ask_for_another):
        launch(gate(deadline=PATIENT), Options(out=run, is_live=False))

    assert outcomes[0] == f"{run} has no question 'nonsense'; waiting: {outcomes[1]}"


def test_a_run_that_does_not_wait_takes_no_answer(tmp_path: Path) -> None:
    run = tmp_path / "run"
    main = threading.main_thread().ident or 0

    def press_ctrl_c() -> None:
        until(lambda: bool(open_items(run)))
        signal.pthread_kill(main, signal.SIGINT)

    with person(press_ctrl_c):
        launch(gate(deadline=PATIENT), Options(out=run, is_live=False))
    name = open_items(run)[0].question.id

    with pytest.raises(UsageError, match=r"is not running .*'interrupted'.* resume .* asks again"):
        answer(run, name, is_approved=True)
    assert inbox_lines(run)[0].endswith('open, but the run is not running\n          {"lr":0.02}')


def test_the_inbox_is_listed_what_waits_first(tmp_path: Path) -> None:
    run = tmp_path / "run"
    seen: list[object] = []

    def look() -> None:
        say(run, (True, "fine"))
        until(lambda: bool(open_items(run)))
        seen.extend((inbox_lines(run), inbox_object(run), is_waiting(run)))
        say(run, (True, "fine"))

    with person(look):
        launch(gate(deadline=PATIENT), Options(out=run, is_live=False))

    lines, as_object, waits = seen
    assert isinstance(lines, list)
    assert isinstance(as_object, dict)
    about = "swap optimizer by asker-0: +0.2500 [+0.1000, +0.4000] bpb"
    assert [about in line for line in lines] == [True, True]
    assert "waits; approved at" in lines[0]
    assert lines[1].endswith("approved by person: fine")
    assert [one["answer"] is None for one in as_object["questions"]] == [False, True]
    assert waits
    assert not is_waiting(run)


def test_a_run_that_asked_nobody_has_an_empty_inbox(tmp_path: Path) -> None:
    run = tmp_path / "run"
    blueprint = replace(gate(deadline=HASTY), roster=(("asker", 1), ("human", 1)), until=1)

    launch(blueprint, Options(out=run, is_live=False))

    assert inbox_lines(run) == ["nobody was asked anything"]


def test_a_damaged_question_is_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch(gate(deadline=HASTY), Options(out=run, is_live=False))
    path = sorted((run / "inbox").glob("*.json"))[0]
    path.write_text("{")

    with pytest.raises(UsageError, match=f"{path.name} is damaged"):
        read_inbox(run)


def waiting_backend(
    run: Path, *, deadline: float = PATIENT, tell: Callable[[str], None] = lambda _: None
) -> tuple[PeopleBackend, str, Task]:
    bench = Workbench(corpus_dir=run / "corpus", artifacts_dir=run / "artifacts")
    question = human.Decide(sought=sought(1), policy=True)
    backend = PeopleBackend(InlineBackend(bench), run, deadline=deadline, tell=tell)
    return backend, "0123456789abcdef" * 4, Task(codec().encode(question), mind=PERSON)


def write_answer(run: Path, key: str, *, is_approved: bool, reason: str) -> None:
    said = {"is_approved": is_approved, "reason": reason, "by": "person", "at": "2026-01-01"}
    (run / "inbox" / f"{key[:8]}.answer.json").write_bytes(msgspec.json.encode(said))

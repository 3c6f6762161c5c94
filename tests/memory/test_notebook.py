from pathlib import Path

import pytest

from swarm.comms.messages.work import Start
from swarm.errors import RunFailedError
from swarm.kernel.envelope import ARRIVE, RECORD, Envelope
from swarm.kernel.message import NO_MESSAGE, Message
from swarm.kernel.ports import Sink
from swarm.kernel.record import Noted, Stopped
from swarm.kernel.roster import Roster
from swarm.memory import notebook
from swarm.memory.notebook import NotebookSink, note_line
from swarm.units import DAY, HOUR, MINUTE, Ticks

ROSTER = Roster((("director", 1), ("reviewer", 2)))


def row(rank: int, message: Message) -> Envelope:
    return (rank, rank << 32, 0, NO_MESSAGE, message)


def noted(rank: int, text: str) -> Envelope:
    return row(rank, Noted(text=text))


def test_a_note_becomes_a_line_under_a_header_that_names_actor_and_role(tmp_path: Path) -> None:
    sink = NotebookSink(tmp_path / "notes", roster=ROSTER)
    _: Sink = sink

    sink.write(3 * DAY + 4 * HOUR + 12 * MINUTE, RECORD, [noted(2, "rope won")])
    sink.flush()

    assert (tmp_path / "notes" / "reviewer-1.md").read_text() == (
        "# reviewer-1\n\nNotebook of a reviewer.\n\n- [day 3, 04:12:00] rope won\n"
    )


def test_later_notes_are_appended(tmp_path: Path) -> None:
    sink = NotebookSink(tmp_path, roster=ROSTER)
    sink.write(1, RECORD, [noted(1, "one")])
    sink.flush()

    sink.write(2, RECORD, [noted(1, "two"), noted(1, "three")])
    sink.flush()

    lines = (tmp_path / "reviewer-0.md").read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in lines[-3:]] == ["one", "two", "three"]
    assert lines.count("# reviewer-0") == 1


def test_a_run_that_is_executed_again_leaves_the_same_notebook(tmp_path: Path) -> None:
    for _ in range(2):
        sink = NotebookSink(tmp_path, roster=ROSTER)
        sink.write(1, RECORD, [noted(0, "granted")])
        sink.flush()

    assert (tmp_path / "director-0.md").read_text().count("granted") == 1


def test_other_messages_and_other_phases_leave_no_trace(tmp_path: Path) -> None:
    sink = NotebookSink(tmp_path / "notes", roster=ROSTER)

    sink.write(1, RECORD, [row(0, Stopped())])
    sink.write(1, ARRIVE, [row(0, Start()), noted(0, "told by somebody")])
    sink.flush()

    assert not (tmp_path / "notes").exists()


def test_many_notes_are_written_before_anybody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "FLUSH_LINES", 2)
    sink = NotebookSink(tmp_path, roster=ROSTER)

    sink.write(1, RECORD, [noted(0, "one"), noted(1, "two")])

    assert sorted(path.name for path in tmp_path.iterdir()) == ["director-0.md", "reviewer-0.md"]


def test_further_lines_of_a_note_stay_inside_its_item() -> None:
    assert note_line(Ticks(0), "first\nsecond") == "- [day 0, 00:00:00] first\n  second\n"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file")
    sink = NotebookSink(tmp_path / "notes", roster=ROSTER)
    sink.write(1, RECORD, [noted(0, "one")])

    with pytest.raises(RunFailedError, match=r"writing notebooks into .*notes"):
        sink.flush()

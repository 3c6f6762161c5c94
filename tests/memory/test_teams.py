from pathlib import Path

import pytest

from swarm.errors import RunFailedError
from swarm.kernel.envelope import RECORD
from swarm.kernel.message import NO_MESSAGE
from swarm.kernel.record import Noted
from swarm.kernel.roster import Roster
from swarm.memory.notebook import NotebookSink
from swarm.memory.teams import write_team_notes
from swarm.units import DAY

ROSTER = Roster((("director", 1), ("reviewer", 11)))
FIRST, LAST = ROSTER.rank("reviewer-2"), ROSTER.rank("reviewer-10")


def noted(folder: Path, *notes: tuple[int, int, str]) -> None:
    """Writes notebooks from (tick, rank, text) triples."""
    sink = NotebookSink(folder, roster=ROSTER)
    for at, rank, text in notes:
        sink.write(at, RECORD, [(rank, rank << 32, 0, NO_MESSAGE, Noted(text=text))])
    sink.flush()


def test_a_team_reads_all_its_notes_by_time_with_their_authors(tmp_path: Path) -> None:
    noted(tmp_path, (3, FIRST, "early"), (5, LAST, "late"), (9, 0, "no"), (11 * DAY, FIRST, "last"))

    write_team_notes(tmp_path)

    assert (tmp_path / "teams" / "reviewer.md").read_text() == (
        "# reviewer\n\nShared notes of everybody of this role, by time.\n\n"
        "- [day 0, 00:00:03] reviewer-2: early\n"
        "- [day 0, 00:00:05] reviewer-10: late\n"
        "- [day 11, 00:00:00] reviewer-2: last\n"
    )
    assert "director-0: no" in (tmp_path / "teams" / "director.md").read_text()


def test_notes_of_one_instant_stand_in_the_order_of_actors_and_of_writing(tmp_path: Path) -> None:
    noted(tmp_path, (3, LAST, "c"), (3, FIRST, "z"), (3, FIRST, "a\nmore of it"))

    write_team_notes(tmp_path)

    lines = (tmp_path / "teams" / "reviewer.md").read_text().splitlines()[4:]
    assert [line.rpartition("] ")[2] for line in lines] == [
        "reviewer-2: z",
        "reviewer-2: a",
        "  more of it",
        "reviewer-10: c",
    ]


def test_what_a_person_wrote_into_a_notebook_is_shared_too(tmp_path: Path) -> None:
    noted(tmp_path, (3, FIRST, "rope won"))
    with (tmp_path / "reviewer-2.md").open("a") as file:
        file.write("I doubt it.\n")
    (tmp_path / "readme.md").write_text("no notebook")

    write_team_notes(tmp_path)

    text = (tmp_path / "teams" / "reviewer.md").read_text()
    assert text.endswith("reviewer-2: rope won\nI doubt it.\n")
    assert [path.name for path in (tmp_path / "teams").iterdir()] == ["reviewer.md"]


def test_where_nobody_noted_anything_there_are_no_shared_notes(tmp_path: Path) -> None:
    write_team_notes(tmp_path / "notes")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    noted(tmp_path, (3, FIRST, "rope won"))
    (tmp_path / "teams").write_text("in the way")

    with pytest.raises(RunFailedError, match=r"writing shared notes into .*teams"):
        write_team_notes(tmp_path)

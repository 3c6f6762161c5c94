from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.journal import JournalWriter, Record, read_journal


def record(number: int) -> Record:
    return Record(
        id=number,
        request=number + 1,
        due=60 * number,
        rank=0,
        sort="run",
        answer=msgspec.Raw(b'{"type":"work.start"}'),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "journal"
    writer = JournalWriter(path)
    writer.append([record(1), record(2)])
    writer.append([])
    writer.append([record(3)])
    writer.close()
    return path


def test_records_come_back_in_order(written: Path) -> None:
    records, problem = read_journal(written)

    assert [r.id for r in records] == [1, 2, 3]
    assert bytes(records[0].answer) == b'{"type":"work.start"}'
    assert problem is None


def test_appending_goes_on_after_what_is_there(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(written.read_bytes())

    writer = JournalWriter(path)
    writer.append([record(4)])
    writer.close()

    assert [r.id for r in read_journal(path)[0]] == [1, 2, 3, 4]


@given(st.data())
def test_a_journal_cut_anywhere_gives_its_whole_records(written: Path, data: st.DataObject) -> None:
    whole = written.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path = written.with_name("cut")
    path.write_bytes(whole[:cut])

    records, problem = read_journal(path)

    assert len(records) == whole[:cut].count(b"\n")
    assert (problem is None) == (cut == 0 or whole[cut - 1 : cut] == b"\n")


@given(st.data())
def test_a_flipped_bit_never_changes_an_answer_unseen(written: Path, data: st.DataObject) -> None:
    whole = bytearray(written.read_bytes())
    original, _ = read_journal(written)
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    path = written.with_name("flipped")
    path.write_bytes(whole)

    records, problem = read_journal(path)

    assert records == original[: len(records)]
    assert len(records) < 3
    assert problem is not None
    assert str(path) in str(problem)

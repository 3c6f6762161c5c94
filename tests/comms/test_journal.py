from itertools import accumulate, product
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.comms.journal import (
    JournalWriter,
    Record,
    parse_journal,
    read_journal,
    read_journal_text,
)


def record(number: int, text: str = "") -> Record:
    return Record(
        id=number,
        request=number + 1,
        due=60 * number,
        rank=0,
        sort="run",
        answer=msgspec.Raw(
            b'{"type":"work.start"}' if not text else b'{"text":"%s"}' % text.encode()
        ),
    )


def line_of(one: Record) -> bytes:
    body = msgspec.json.encode(one)
    return b"%08x %s\n" % (crc32(body), body)


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


def test_a_journal_cut_at_any_byte_gives_its_whole_records(written: Path) -> None:
    whole = written.read_bytes()

    for cut in range(len(whole) + 1):
        text = parse_journal(whole[:cut], name="j")

        assert len(text.records) == whole[:cut].count(b"\n")
        assert text.n_bytes == whole[:cut].rfind(b"\n") + 1
        assert (text.problem is None) == (text.n_bytes == cut)


def test_no_flipped_bit_of_a_journal_goes_unseen(written: Path) -> None:
    whole = written.read_bytes()
    original = parse_journal(whole, name="j").records

    for at, bit in product(range(len(whole)), range(8)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << bit
        text = parse_journal(bytes(flipped), name="j")

        assert text.problem is not None
        assert text.records == original[: len(text.records)]
        assert f"journal j at byte {text.n_bytes}" in str(text.problem)
        assert all(record in original for record in text.behind)


@settings(max_examples=1_000)
@given(
    sizes=st.lists(st.integers(0, 40), max_size=12),
    place=st.floats(0, 1),
    junk=st.binary(min_size=1, max_size=30).map(lambda junk: junk.replace(b"\n", b" ")),
)
def test_junk_costs_only_the_line_that_it_is_in(
    sizes: list[int], place: float, junk: bytes
) -> None:
    lines = [line_of(record(number, text="x" * size)) for number, size in enumerate(sizes)]
    whole = b"".join(lines)
    at = round(place * len(whole))
    damaged = whole[:at] + junk + whole[at:]

    text = parse_journal(damaged, name="j")

    hit = sum(end <= at for end in accumulate(map(len, lines)))
    assert [one.id for one in text.records] == list(range(hit))
    assert [one.id for one in text.behind] == list(range(hit + 1, len(lines)))
    assert text.problem is not None


def test_a_damaged_line_in_the_middle_is_named_and_those_behind_it_are_kept(
    written: Path, tmp_path: Path
) -> None:
    lines = written.read_bytes().splitlines(keepends=True)
    path = tmp_path / "journal"
    path.write_bytes(lines[0] + lines[1].replace(b"120", b"121") + lines[2])

    text = read_journal_text(path)

    assert [one.id for one in text.records] == [1]
    assert [one.id for one in text.behind] == [3]
    assert f"journal {path} at byte {len(lines[0])}: expected a checksum" in str(text.problem)
    assert "the checksum does not match" in str(text.problem)


@pytest.mark.parametrize("body", [b"{}", b"[" * 100_000, b"\xff", b'{"id":1e999}', b"null"])
def test_a_line_whose_checksum_fits_must_hold_a_record_too(body: bytes) -> None:
    text = parse_journal(b"%08x %s\n" % (crc32(body), body), name="j")

    assert text.records == []
    assert text.problem is not None

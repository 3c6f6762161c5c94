from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from swarm.comms.log import SCHEMA, write_segment
from swarm.comms.log_reader import END, LogReader, keys_of, list_segments, read_segment
from swarm.errors import InvariantError, RunFailedError
from swarm.kernel.envelope import PHASES


def rows(dues: list[int], ranks: range) -> pa.Table:
    """One message to each of some actors at each of some instants."""
    return pa.Table.from_pylist(
        [
            {
                "due": due,
                "phase": 1,
                "sent": due,
                "src": 0,
                "dst": dst,
                "counter": due * 100 + dst,
                "kind": "work.start",
                "cause": -1,
                "contract": None,
                "payload": '{"type":"work.start"}',
            }
            for due in dues
            for dst in ranks
        ],
        schema=SCHEMA,
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two shards of two actors each; the second seals less often."""
    for number, dues in enumerate(([0, 1], [2, 3], [4, 5])):
        write_segment(rows(dues, range(2)), tmp_path / f"0000-{number:06}.parquet")
    for number, dues in enumerate(([0, 1, 2], [3, 4])):
        write_segment(rows(dues, range(2, 4)), tmp_path / f"0001-{number:06}.parquet")
    return tmp_path


def read(log: Path, *, n_messages: int | None, piece_rows: int = 1) -> tuple[list[int], LogReader]:
    """Returns the counters of all rows, which tell them apart."""
    reader = LogReader(log, n_shards=2, n_messages=n_messages, piece_rows=piece_rows)
    found: list[int] = []
    for piece in reader.pieces():
        assert piece.first == len(found)
        assert (keys_of(piece.rows) <= piece.key).all()
        found += piece.rows["counter"].to_pylist()
    return found, reader


WHOLE = [due * 100 + dst for due in range(5) for dst in range(4)] + [500, 501]


@pytest.mark.parametrize("piece_rows", [1, 5, 1_000])
def test_rows_of_all_shards_come_in_canonical_order(log: Path, piece_rows: int) -> None:
    found, reader = read(log, n_messages=22, piece_rows=piece_rows)

    assert found == WHOLE
    assert reader.key == END
    assert reader.problems == []


def test_a_log_that_may_have_had_more_is_complete_up_to_its_earliest_end(log: Path) -> None:
    found, reader = read(log, n_messages=None)

    assert found == WHOLE[:20]
    assert reader.key == 4 * PHASES + 1
    assert reader.problems == []


def test_a_gap_ends_what_is_complete(log: Path) -> None:
    (log / "0000-000001.parquet").unlink()

    found, reader = read(log, n_messages=18)

    assert found == WHOLE[:8]
    assert reader.problems == ["shard 0 has no segment 1; what follows it in shard 0 was left out"]


def test_a_damaged_segment_ends_what_is_complete(log: Path) -> None:
    (log / "0001-000001.parquet").write_bytes(b"nonsense")

    found, reader = read(log, n_messages=22)

    assert found == WHOLE[:12]
    assert "0001-000001.parquet is damaged" in reader.problems[0]


def test_a_lost_last_segment_is_missed_in_the_count(log: Path) -> None:
    (log / "0001-000001.parquet").unlink()

    found, reader = read(log, n_messages=22)

    assert found == WHOLE[:12]
    assert reader.problems == ["the log holds 18 of the 22 messages that the manifest counts"]


def test_shards_of_an_earlier_layout_end_where_they_ended(log: Path) -> None:
    write_segment(rows([0], range(4, 6)), log / "0002-000000.parquet")

    found, _ = read(log, n_messages=None)

    assert found == [*WHOLE[:4], 4, 5, *WHOLE[4:20]]


def test_a_log_without_segments_has_no_rows(tmp_path: Path) -> None:
    found, reader = read(tmp_path, n_messages=None)

    assert (found, reader.key) == ([], -1)


def test_other_files_are_named_and_left_out(log: Path) -> None:
    (log / "copy of 0000-000000.parquet").write_bytes(b"")

    files, problems = list_segments(log)

    assert [(file.shard, file.number) for file in files] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert "is not named like a segment" in problems[0]


def test_nulls_are_refused_where_a_value_belongs(tmp_path: Path) -> None:
    table = rows([0], range(2))
    at = SCHEMA.get_field_index("cause")
    path = tmp_path / "segment.parquet"
    pq.write_table(table.set_column(at, SCHEMA.field(at), pa.array([1, None], pa.int64())), path)

    with pytest.raises(InvariantError, match=r"column cause .* expected values, came nulls"):
        read_segment(path)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (rows([], range(0)), "came 0 rows"),
        (rows([0], range(2)).drop(["cause"]), "2 rows of due, phase"),
        (rows([1, 0], range(2)), "expected rising, came falling"),
    ],
)
def test_what_is_no_segment_is_refused(tmp_path: Path, table: pa.Table, sentence: str) -> None:
    path = tmp_path / "segment.parquet"
    pq.write_table(table, path)

    with pytest.raises(InvariantError, match=sentence):
        read_segment(path)


def test_a_segment_is_read_from_memory_too(log: Path) -> None:
    path = log / "0000-000000.parquet"
    damaged = bytearray(path.read_bytes())
    damaged[20] ^= 1

    table = read_segment(pa.py_buffer(path.read_bytes()))

    assert np.array_equal(keys_of(table), keys_of(read_segment(path)))
    with pytest.raises(RunFailedError, match="segment of this test is damaged"):
        read_segment(pa.py_buffer(bytes(damaged)), name="of this test")

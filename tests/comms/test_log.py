from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms import log as log_module
from swarm.comms.codec import Codec
from swarm.comms.digest import ChainDigest, combine, shard_ranges
from swarm.comms.log import LogWriter
from swarm.errors import RunFailedError
from swarm.kernel.envelope import ARRIVE, Envelope
from swarm.kernel.message import NO_MESSAGE, ContractId, Message, message_id


class Plain(Message, frozen=True, kw_only=True, tag="t.plain"):
    text: str


class Deal(Message, frozen=True, kw_only=True, tag="t.deal"):
    contract: ContractId
    price: int


CODEC = Codec([Plain, Deal])
N_ACTORS = 12


def envelope(dst: int, src: int, counter: int, text: str) -> Envelope:
    return dst, message_id(src, counter), 0, NO_MESSAGE, Plain(text=text)


def digests(buckets: Sequence[tuple[int, list[Envelope]]], n_shards: int) -> tuple[str, str]:
    writers = [
        LogWriter(
            codec=CODEC, digest=ChainDigest(n_actors=N_ACTORS, hosted=ranks), folder=None, shard=i
        )
        for i, ranks in enumerate(shard_ranges(N_ACTORS, n_shards))
    ]
    for due, bucket in buckets:
        for writer, ranks in zip(writers, shard_ranges(N_ACTORS, n_shards), strict=True):
            mine = [row for row in bucket if row[0] in ranks]
            if mine:
                writer.write(due, ARRIVE, mine)
    for writer in writers:
        writer.seal()
    return (
        combine([chain for w in writers for chain in w.digest.control]),
        combine([chain for w in writers for chain in w.digest.payload]),
    )


texts = st.text(max_size=12)
bucket_rows = st.lists(
    st.tuples(st.integers(0, N_ACTORS - 1), st.integers(0, N_ACTORS - 1), texts),
    min_size=1,
    max_size=20,
).map(lambda rows: sorted(envelope(d, s, i, t) for i, (d, s, t) in enumerate(rows)))
logs = st.lists(bucket_rows, min_size=1, max_size=5).map(lambda b: list(enumerate(b)))


@given(logs)
def test_digests_do_not_depend_on_the_number_of_shards(
    buckets: list[tuple[int, list[Envelope]]],
) -> None:
    one = digests(buckets, 1)

    assert [digests(buckets, n) for n in (2, 3, N_ACTORS)] == [one] * 3


@given(logs, st.integers(1, 30))
def test_digests_do_not_depend_on_where_segments_end(
    buckets: list[tuple[int, list[Envelope]]], rows: int
) -> None:
    whole = digests(buckets, 1)
    before = log_module.SEGMENT_ROWS
    log_module.SEGMENT_ROWS = rows
    try:
        assert digests(buckets, 1) == whole
    finally:
        log_module.SEGMENT_ROWS = before


def test_a_changed_payload_changes_only_the_payload_digest() -> None:
    first = digests([(5, [envelope(1, 2, 0, "a")])], 1)
    second = digests([(5, [envelope(1, 2, 0, "b")])], 1)
    later = digests([(6, [envelope(1, 2, 0, "a")])], 1)

    assert first[0] == second[0]
    assert first[1] != second[1]
    assert first[0] != later[0]


def test_segments_read_with_sql_and_hold_every_column(tmp_path: Path) -> None:
    writer = LogWriter(
        codec=CODEC,
        digest=ChainDigest(n_actors=N_ACTORS, hosted=range(N_ACTORS)),
        folder=tmp_path,
        watch=("t.deal",),
    )
    deal = Deal(contract=ContractId("ada-1/7"), price=3)
    writer.write(
        9, ARRIVE, [envelope(0, 3, 4, "snow ☃"), (1, message_id(2, 5), 8, message_id(3, 4), deal)]
    )

    writer.seal()

    found = (
        duckdb.connect()
        .execute(
            "select due, phase, sent, src, dst, counter, kind, cause, contract,"
            f" payload->>'text', (payload->>'price')::int from '{tmp_path}/*.parquet' order by dst"
        )
        .fetchall()
    )
    assert found == [
        (9, ARRIVE, 0, 3, 0, 4, "t.plain", -1, None, "snow ☃", None),
        (9, ARRIVE, 8, 2, 1, 5, "t.deal", 3 << 32 | 4, "ada-1/7", None, 3),
    ]
    assert writer.take_watched() == [(9, deal)]
    assert writer.kind_counts() == {"t.deal": 1, "t.plain": 1}


def test_a_segment_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = LogWriter(
        codec=CODEC,
        digest=ChainDigest(n_actors=N_ACTORS, hosted=range(N_ACTORS)),
        folder=tmp_path / "gone",
    )
    writer.write(1, ARRIVE, [envelope(0, 1, 0, "x")])

    with pytest.raises(RunFailedError, match="writing the log segment"):
        writer.seal()

    assert list(tmp_path.glob("**/*.parquet")) == []

"""Whatever happens to the bytes of a run, it is named, and what is whole is still read."""

import shutil
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import swarm
from swarm.comms.log_reader import read_segment
from swarm.errors import SwarmError
from swarm.runtime.replay import replay
from swarm.runtime.replay_report import Replayed
from swarm.runtime.run_folder import read_manifest
from swarm.scenarios.rebuild import rebuild_blueprint

GOLDEN = Path(__file__).parents[1] / "golden"
SEGMENT = (GOLDEN / "gossip" / "messages" / "0000-000000.parquet").read_bytes()
N_MESSAGES = 390
FOOTER = 2_500
"""Bytes at the end of that segment, more than its footer has: no checksum covers that."""


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return read_segment(pa.py_buffer(SEGMENT))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage") / "run"


def read(data: bytes) -> pa.Table | None:
    """Returns a segment's rows, None if one of our errors refused it."""
    with suppress(SwarmError):
        return read_segment(pa.py_buffer(data), name="in memory")
    return None


def replay_again(run: Path) -> Replayed | None:
    with suppress(SwarmError):
        return replay(run, rebuild_blueprint(read_manifest(run)))
    return None


@pytest.mark.slow
@settings(max_examples=1_000)
@given(at=st.integers(0, len(SEGMENT) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_segment_is_refused_or_changes_nothing(
    rows: pa.Table, at: int, bit: int
) -> None:
    flipped = bytearray(SEGMENT)
    flipped[at] ^= 1 << bit

    found = read(bytes(flipped))

    assert found is None or found.equals(rows)


@pytest.mark.slow
@settings(max_examples=1_000)
@given(at=st.integers(len(SEGMENT) - FOOTER, len(SEGMENT) - 1), bit=st.integers(0, 7))
def test_so_is_one_of_its_footer_which_has_no_checksum(rows: pa.Table, at: int, bit: int) -> None:
    flipped = bytearray(SEGMENT)
    flipped[at] ^= 1 << bit

    found = read(bytes(flipped))

    assert found is None or found.equals(rows)


@pytest.mark.slow
@settings(max_examples=1_000)
@given(cut=st.integers(0, len(SEGMENT) - 1))
def test_a_segment_cut_anywhere_is_refused(cut: int) -> None:
    assert read(SEGMENT[:cut]) is None


@pytest.mark.slow
@settings(max_examples=1_000)
@given(at=st.integers(0, len(SEGMENT)), gone=st.integers(0, 64), junk=st.binary(max_size=64))
def test_a_segment_with_other_bytes_in_it_is_refused_or_reads_the_same(
    rows: pa.Table, at: int, gone: int, junk: bytes
) -> None:
    damaged = SEGMENT[:at] + junk + SEGMENT[at + gone :]
    assume(damaged != SEGMENT)

    found = read(damaged)

    assert found is None or found.equals(rows)


@pytest.mark.slow
@settings(max_examples=25)
@given(data=st.data())
def test_a_run_with_any_byte_changed_opens_or_is_refused_with_an_error_of_ours(
    place: Path, data: st.DataObject
) -> None:
    run = _damaged_copy(place, data)

    n_messages = 0
    with suppress(SwarmError):
        n_messages = len(swarm.load_run(run).messages)

    assert 0 <= n_messages <= N_MESSAGES


@pytest.mark.slow
@settings(max_examples=40)
@given(data=st.data())
def test_a_run_with_any_byte_changed_is_never_verified_as_more_than_it_was(
    place: Path, data: st.DataObject
) -> None:
    run = _damaged_copy(place, data)

    found = replay_again(run)

    if found is not None:
        assert found.messages <= N_MESSAGES
        is_all = found.messages == N_MESSAGES and found.upto is None
        assert found.verdict != "ok" or is_all
        assert (
            found.verdict == "ok" or found.problems or found.divergence or found.digests == "differ"
        )


def _damaged_copy(place: Path, data: st.DataObject) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(GOLDEN / "gossip", place)
    path = data.draw(st.sampled_from(sorted(p for p in place.rglob("*") if p.is_file())))
    changed = bytearray(path.read_bytes())
    if changed:
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(changed)
    return place

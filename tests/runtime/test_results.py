from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.errors import RunFailedError
from swarm.runtime.jobs import Done
from swarm.runtime.results import ResultStore

DONE = Done(b'{"type":"work.start"}', 12.345678)


def test_a_result_comes_back_with_what_it_cost(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "new" / "folder")

    store.put("key", DONE)

    assert store.get("key") == DONE
    assert "key" in store
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["key"]


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "none")

    assert store.get("key") is None
    assert "key" not in store


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_result_that_is_cut_or_flipped_is_none(tmp_path: Path, data: st.DataObject) -> None:
    store = ResultStore(tmp_path)
    store.put("key", DONE)
    whole = bytearray((tmp_path / "key").read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[at:]
    else:
        whole[at] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "key").write_bytes(whole)

    assert store.get("key") is None


def test_a_disk_that_refuses_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RunFailedError, match="keeping a result in"):
        ResultStore(tmp_path / "file" / "folder").put("key", DONE)

import os
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.errors import RunFailedError, UsageError
from swarm.runtime.folder_lock import FolderLock

HOLD = """
import sys
from pathlib import Path
from swarm.runtime.folder_lock import FolderLock

lock = FolderLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_lock_on_one_folder_is_refused_and_names_the_process(tmp_path: Path) -> None:
    with (
        FolderLock(tmp_path),
        pytest.raises(UsageError, match=rf"in use by process {os.getpid()}, which took it at 20"),
    ):
        FolderLock(tmp_path).acquire()


def test_a_lock_that_was_given_back_can_be_taken(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire()
    first.acquire()
    first.release()
    first.release()

    second.acquire()

    assert second.is_held
    assert not first.is_held


def test_a_lock_file_that_says_nothing_still_locks(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        (tmp_path / "lock").write_text("")

        with pytest.raises(UsageError, match="in use by another process"):
            FolderLock(tmp_path).acquire()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match=r"locking .*none/lock"):
        FolderLock(tmp_path / "none").acquire()


@pytest.mark.slow
def test_a_lock_ends_with_its_process_however_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=f"in use by process {other.pid},"):
            FolderLock(tmp_path).acquire()
        other.kill()

    with FolderLock(tmp_path) as lock:
        assert lock.is_held

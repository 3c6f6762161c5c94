"""The lock of a run folder: one process writes into it at a time.

``lock`` holds the process id and the start of whoever has it, as JSON for people; what counts is
the advisory lock of the operating system on that file, which ends with its owner, kill -9
included. Reading a run needs no lock.
"""

import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from swarm.errors import RunFailedError, UsageError, boundary

LOCK = "lock"


class FolderLock:
    """The right to write into a run folder; also a context manager.

    Args:
        folder: The run folder, which must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object has the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Takes the lock, or refuses at once; taking it again changes nothing.

        Raises:
            UsageError: If another process has it; the sentence names that process.
            RunFailedError: If the file system refuses.
        """
        if self._file is not None:
            return
        path = self._folder / LOCK
        with boundary(RunFailedError, f"locking {path}"):
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(file, 0)
                os.pwrite(file, _about_me(), 0)
            except BlockingIOError as taken:
                os.close(file)
                raise UsageError(
                    what=f"{self._folder} is in use by {_owner(path)}; wait for it, stop it, or"
                    " name another folder"
                ) from taken
            except BaseException:
                os.close(file)
                raise
        self._file = file

    def release(self) -> None:
        """Gives the lock back; without it nothing happens. The file stays, and means nothing."""
        if self._file is not None:
            os.close(self._file)  # and with it the lock
            self._file = None

    def __enter__(self) -> "FolderLock":
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def is_locked(folder: Path) -> bool:
    """Returns whether some process, be it this one, has the lock of a folder."""
    try:
        file = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back at once, with the file
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)


def _about_me() -> bytes:
    started = datetime.now(tz=UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "started": started}).encode() + b"\n"


def _owner(path: Path) -> str:
    """Says who has the lock, as far as the file tells: its owner may be about to write it."""
    try:
        found = json.loads(path.read_text())
        return f"process {int(found['pid'])}, which took it at {found['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"

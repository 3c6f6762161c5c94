"""The coordinator as a process of its own: takes its work from the supervisor, and tells it all.

Only the supervisor starts it. It ends when the supervisor is gone, and so does all it started.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from swarm.errors import SwarmError, UsageError
from swarm.runtime.attempt import Attempt
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.coordinator import Progress
from swarm.runtime.folder_lock import FolderLock
from swarm.runtime.interrupts import HeldInterrupts
from swarm.runtime.options import Finish, Options
from swarm.runtime.ray_runtime import RayRuntime
from swarm.runtime.resume import Start
from swarm.runtime.run_folder import Status
from swarm.runtime.snapshot_store import FOLDER

ORPHANED = 75
"""Exit code of a coordinator whose supervisor is gone."""

_PR_SET_PDEATHSIG = 1
_MOVED_EVERY = 0.5
_LOCK_PATIENCE = 60.0


class Work(NamedTuple):
    """What a coordinator is given."""

    blueprint: Blueprint
    options: Options
    finish: Finish | None
    folder: Path
    start: Start


class Moved(NamedTuple):
    """How far it has come: where the last window ended."""

    end: int


class Incident(NamedTuple):
    """Something was lost, and it went on."""

    what: str


class Ended(NamedTuple):
    """How the run ended."""

    status: Status
    error: SwarmError | None
    summary: dict[str, Any]  # Any: JSON


class _Reporter:
    """Tells the supervisor how far the run is, not more often than it need know."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._next = 0.0

    def moved(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _MOVED_EVERY
            self.say(Moved(progress.end))

    def say(self, what: Moved | Incident | Ended) -> None:
        with HeldInterrupts():  # half a message would be the end of the line
            self._line.send(what)


class _Undertaker:
    """Ends the coordinator's process group when the coordinator ends without a word.

    Ray's daemons end with the process that started them, but some of what they have started in turn
    does not. It is a shell of three words in a group of its own.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if os.getpgrp() == os.getpid():
            self._process = subprocess.Popen(  # noqa: S603  no part of it comes from outside
                ["/bin/sh", "-c", f"read word || kill -9 -- -{os.getpid()} 2>/dev/null"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                process_group=0,
            )

    def dismiss(self) -> None:
        """Says the word: nothing of ours is left."""
        if self._process is not None:
            with suppress(OSError):
                self._process.communicate(b"done\n")


def main() -> None:
    """Carries out one attempt; ``sys.argv[1]`` is the file number of the line."""
    _end_with_parent()
    undertaker = _Undertaker()
    file = int(sys.argv[1])
    os.set_inheritable(file, False)  # noqa: FBT003  or Ray would keep the line open
    line: Connection = Connection(file)
    try:
        work: Work = line.recv()
        threading.Thread(target=_watch, args=(line,), daemon=True).start()
        reporter = _Reporter(line)
        reporter.say(_carry_out(work, reporter))
        undertaker.dismiss()
    except KeyboardInterrupt:
        sys.exit(130)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(ORPHANED)


def _carry_out(work: Work, reporter: _Reporter) -> Ended:
    lock = _lock(work.folder)
    attempt = Attempt(
        work.blueprint,
        work.options,
        work.folder,
        start=work.start,
        on_window=reporter.moved,
        on_incident=lambda what: reporter.say(Incident(what)),
    )
    status, error = attempt.go(RayRuntime(work.options), work.finish)
    lock.release()
    return Ended(status, error, attempt.summary(status))


def _lock(folder: Path) -> FolderLock:
    """Waits until no coordinator of a former supervisor is at the folder any more."""
    snapshots = folder / FOLDER
    snapshots.mkdir(exist_ok=True)
    lock = FolderLock(snapshots)
    began = time.monotonic()
    while True:
        try:
            lock.acquire()
        except UsageError:
            if time.monotonic() - began > _LOCK_PATIENCE:
                raise
            time.sleep(0.1)
        else:
            return lock


def _watch(line: Connection) -> None:
    """Ends this process when the supervisor closes the line; it never says anything more."""
    try:
        line.recv()
    except (EOFError, OSError):
        os._exit(ORPHANED)


def _end_with_parent() -> None:
    """Has Linux end this process with its parent, whatever it is doing then."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

"""The supervisor: owns a run's manifest, and brings the run on when its coordinator is lost.

It never imports Ray, whose failures it must outlive. The coordinator that talks to Ray is a child
process in a group of its own; when it ends without saying how, everything it started is ended too,
the run folder is cut back to the last snapshot, and another child goes on. Incidents stand in the
manifest, never in the log.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from types import FrameType, TracebackType
from typing import NamedTuple

from swarm.errors import LostError, RunFailedError, UsageError, boundary
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.coordinate import Ended, Incident, Moved, Work
from swarm.runtime.cpu_time import group_members
from swarm.runtime.options import Finish, Options, Outcome
from swarm.runtime.ray_runtime import HEAD_LOST
from swarm.runtime.resume import Start, cut_back, find_start
from swarm.runtime.run_folder import RunFolder

MAX_LOSSES = 5
"""Coordinators lost in a row without a window further than before."""

MAX_FALSE_STARTS = 2
"""As above, before there was any window: something is wrong that will not go away."""

_CHILD = "from swarm.runtime.coordinate import main; main()"
_END_PATIENCE = 120.0
_LOOK_AROUND = 0.1


class _Lost(NamedTuple):
    """A coordinator ended without having brought the run to an end."""

    why: str


class Supervisor:
    """Runs a blueprint to its end through as many coordinators as it takes.

    Args:
        blueprint: What runs; like ``finish`` it is pickled.
        options: Where and how.
        finish: What the scenario does at the end.
        folder: The run folder, which is locked.
    """

    def __init__(
        self, blueprint: Blueprint, options: Options, finish: Finish | None, folder: RunFolder
    ) -> None:
        self._blueprint, self._options, self._finish = blueprint, options, finish
        self._folder = folder
        self.first_window_after: float | None = None
        """Seconds from here to the end of the first window."""
        self._began = time.monotonic()
        self._furthest = -1
        self._n_losses = 0

    def run(self, start: Start) -> Outcome:
        """Runs from a starting point to the end.

        Returns:
            How it ended; the summary is empty if no coordinator could say.
        """
        while True:
            began = self._furthest
            ended = self._attempt(start)
            if isinstance(ended, Ended):
                return Outcome(
                    path=self._folder.path,
                    status=ended.status,
                    summary=ended.summary,
                    error=ended.error,
                )
            self._n_losses = 1 if self._furthest > began else self._n_losses + 1
            if self._n_losses > (MAX_FALSE_STARTS if self._furthest < 0 else MAX_LOSSES):
                what = f"{ended.why}; given up after {self._n_losses} losses without progress"
                return Outcome(
                    path=self._folder.path, status="failed", error=RunFailedError(what=what)
                )
            start = find_start(self._folder.path)
            said = f"{ended.why}; another coordinator goes on from {start.place}"
            self._record(". ".join((said, *start.problems)))
            cut_back(self._folder.path, start)

    def _attempt(self, start: Start) -> Ended | _Lost:
        ours, theirs = socket.socketpair()
        with theirs:
            child = subprocess.Popen(  # noqa: S603  ourselves
                [sys.executable, "-c", _CHILD, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # standard output is for the result
                pass_fds=(theirs.fileno(),),
                process_group=0,
            )
        line: Connection = Connection(ours.detach())
        with _Forwarding(child) as interrupts:
            try:
                heard = self._listen(line, start)
            finally:
                line.close()
                code = _end(child)
        if isinstance(heard, Ended):
            if isinstance(heard.error, LostError):
                return _Lost(str(heard.error))
            return heard
        if interrupts.have_come:
            return Ended("interrupted", None, {})
        return _Lost(f"the coordinator ended {_how(code)}")

    def _listen(self, line: Connection, start: Start) -> object:
        """Returns what the coordinator said last."""
        heard: object = None
        work = Work(self._blueprint, self._options, self._finish, self._folder.path, start)
        with boundary(UsageError, "what a supervised run is made of must survive pickling"):
            data = pickle.dumps(work)
        with suppress(EOFError, OSError):
            line.send_bytes(data)
            while not isinstance(heard, Ended):
                heard = line.recv()
                if isinstance(heard, Moved):
                    if self.first_window_after is None:
                        self.first_window_after = time.monotonic() - self._began
                    self._furthest = max(self._furthest, heard.end)
                elif isinstance(heard, Incident):
                    self._record(heard.what)
        return heard

    def _record(self, incident: str) -> None:
        self._folder.add_incident(incident)
        if self._options.is_live:
            sys.stderr.write(f"note: {incident}\n")


class _Forwarding:
    """A context in which Ctrl-C goes to the coordinator, and not through what is said here."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self.have_come = False
        self._child = child
        self._is_main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> "_Forwarding":
        if self._is_main:
            self._before = signal.signal(signal.SIGINT, self._forward)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self._is_main:
            signal.signal(signal.SIGINT, self._before)

    def _forward(self, _number: int, _frame: FrameType | None) -> None:
        self.have_come = True
        if _is_there(self._child.pid):
            os.kill(self._child.pid, signal.SIGINT)


def _end(child: "subprocess.Popen[bytes]") -> int:
    """Waits for a coordinator that has closed its line, and ends all that it started.

    Its process id stays taken until it is waited for, and with it the group is known to be ours.
    """
    began = time.monotonic()
    while _is_there(child.pid) and time.monotonic() - began < _END_PATIENCE:
        time.sleep(_LOOK_AROUND)
    while members := group_members(child.pid):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        if time.monotonic() - began > 2 * _END_PATIENCE:
            raise LostError(what=f"processes {sorted(members)} do not end")
        time.sleep(_LOOK_AROUND)
    return child.wait()


def _is_there(pid: int) -> bool:
    """Says whether a child still runs; does not wait for it, so that its id stays taken."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _how(code: int) -> str:
    if code == HEAD_LOST:
        return "because the head of its Ray was gone"
    if code < 0:
        return f"by signal {signal.Signals(-code).name}"
    return f"with code {code}"

"""CPU-seconds of other processes, as Linux tells them; elsewhere they stay unknown and count 0."""

import os
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_STATE, _PARENT, _GROUP, _USER, _SYSTEM = 0, 1, 2, 11, 12


def process_seconds(pid: int) -> float:
    """Returns the CPU-seconds that a process has used so far; 0.0 if it is gone or not told."""
    fields = _stat(pid)
    if not fields:
        return 0.0
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")


def is_running(pid: int) -> bool:
    """Says whether a process is there and no zombie; False where the system does not tell."""
    fields = _stat(pid)
    return bool(fields) and fields[_STATE] not in "ZX"


def zombies(of: int) -> set[str]:
    """Returns the names of the children of a process that have ended and wait for it."""
    return {
        _name(pid)
        for pid, parent in _parents().items()
        if parent == of and (fields := _stat(pid)) and fields[_STATE] == "Z"
    }


def group_members(group: int) -> set[int]:
    """Returns the processes of a group that run, zombies apart."""
    if not _PROC.is_dir():
        return set()
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return {
        pid
        for pid in pids
        if (fields := _stat(pid)) and int(fields[_GROUP]) == group and fields[_STATE] not in "ZX"
    }


def children(of: Iterable[int]) -> set[int]:
    """Returns the ids of the processes whose parent is one of those given."""
    parents = set(of)
    return {pid for pid, parent in _parents().items() if parent in parents}


def descendants(of: Iterable[int]) -> set[int]:
    """Returns the ids of the processes given, those they started, and so on down."""
    parents = _parents()
    found: set[int] = set()
    new = set(of)
    while new:
        found |= new
        new = {pid for pid, parent in parents.items() if parent in new} - found
    return found


def _parents() -> dict[int, int]:
    if not _PROC.is_dir():
        return {}
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return {pid: int(fields[_PARENT]) for pid in pids if (fields := _stat(pid))}


def _stat(pid: int) -> list[str]:
    """Returns the fields of ``/proc/<pid>/stat`` behind the name, which may hold blanks."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _name(pid: int) -> str:
    """Returns the name of a process, its first 15 bytes."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""

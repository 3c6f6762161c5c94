"""Trace: the jobs that a cluster was asked to run, read from a file or drawn from a seed."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from swarm.errors import UsageError, boundary
from swarm.gpu.leases import MILLI
from swarm.kernel.rng import Stream
from swarm.units import Ticks

COLUMNS = ("job_id", "submit_s", "num_gpus", "duration_s")
MAX_SECONDS = 10**12
MAX_GPUS = 10**6


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a trace. Times are whole seconds from the beginning of the trace."""

    job_id: str
    submit_s: Ticks
    gpus: int
    """Whole GPUs; 0 for a slice of one."""
    duration_s: Ticks
    milli: int = 0
    """Thousandths of a GPU, for a slice."""
    owner: str = ""
    line: int = 0
    """Where it stands in the file; 0 if it comes from no file."""

    @property
    def size(self) -> int:
        """What it wants at one time, in thousandths of a GPU."""
        return MILLI * self.gpus + self.milli


def read_trace(path: Path, *, owner: str = "") -> tuple[Job, ...]:
    """Reads a trace: a CSV file with the columns ``job_id,submit_s,num_gpus,duration_s``.

    Other columns are passed over. ``num_gpus`` is a whole number, or a fraction below 1.

    Args:
        path: The file.
        owner: A further column that says whose a job is; none by default.

    Raises:
        UsageError: For a file that cannot be read, and for the first line that makes no sense,
            with its number and what is wrong with it: a field that is missing or no number, a
            duration below 1, a job that is there twice or submitted before the one above it.
    """
    with boundary(UsageError, f"reading the trace {path}"):
        text = path.read_text(encoding="utf-8-sig")
    jobs: list[Job] = []
    seen: dict[str, int] = {}
    for line, row in _rows(path, text, (*COLUMNS, *([owner] if owner else ()))):
        job = _job(path, line, row, row[owner] if owner else "")
        if job.job_id in seen:
            _wrong(path, line, f"job_id {job.job_id!r} stands in line {seen[job.job_id]} already")
        if jobs and job.submit_s < jobs[-1].submit_s:
            before = f"before {jobs[-1].submit_s} in line {jobs[-1].line}"
            _wrong(path, line, f"submit_s {job.submit_s} is {before}; sort the trace by submit_s")
        seen[job.job_id] = line
        jobs.append(job)
    if not jobs:
        raise UsageError(what=f"the trace {path} has no jobs below its heading")
    return tuple(jobs)


def synthetic_trace(n: int, *, gpus: int, seed: int, load: float = 0.9) -> tuple[Job, ...]:
    """Draws a trace: Poisson arrivals, log-normal durations, mostly small gangs.

    Args:
        n: Jobs, at least 1.
        gpus: GPUs of the cluster for which it is meant.
        seed: Of the streams ``gangs``, ``durations`` and ``arrivals``.
        load: GPU time asked for over GPU time there is, in the long run, above 0.

    Source: shape only: most jobs of the Philly and Helios traces want one GPU and few minutes, and
    few want most of the GPU time (Jeon et al., ATC'19; Hu et al., SC'21). The numbers are ours.
    """
    streams = {name: Stream(seed=seed, owner="trace", name=name) for name in ("gangs", "durations")}
    gangs = [gang for gang, times in _GANGS if gang <= gpus for _ in range(times)]
    drawn = [
        (gangs[streams["gangs"].integer(len(gangs))], _duration(streams["durations"]))
        for _ in range(n)
    ]
    mean_interval = sum(gang * duration for gang, duration in drawn) / n / (load * gpus)
    arrivals = Stream(seed=seed, owner="trace", name="arrivals")
    at = 0.0
    jobs: list[Job] = []
    for number, (gang, duration) in enumerate(drawn):
        submit = Ticks(int(at))
        jobs.append(Job(job_id=str(number), submit_s=submit, gpus=gang, duration_s=Ticks(duration)))
        at += arrivals.exponential(mean_interval)
    return tuple(jobs)


_GANGS = ((1, 60), (2, 10), (4, 10), (8, 14), (16, 4), (32, 2))
"""(gang, times in a hundred)."""


def _duration(stream: Stream) -> int:
    """Returns seconds: median 10 minutes, mean about 1.2 hours, at most 3 days."""
    # Two uniforms make a normal (Box and Muller, 1958).
    radius = math.sqrt(2 * stream.exponential(1.0))
    normal = radius * math.cos(2 * math.pi * stream.random())
    return min(3 * 86_400, max(1, round(600 * math.exp(2.1 * normal))))


def _rows(path: Path, text: str, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(text.splitlines())
    heading = [name.strip() for name in next(reader, [])]
    missing = [name for name in wanted if name not in heading]
    if missing:
        came = ", ".join(heading) or "nothing"
        _wrong(path, 1, f"the heading lacks {', '.join(missing)}; it has {came}")
    for fields in reader:
        if not fields:
            continue
        if len(fields) != len(heading):
            _wrong(path, reader.line_num, f"has {len(fields)} fields, expected {len(heading)}")
        yield reader.line_num, dict(zip(heading, map(str.strip, fields), strict=True))


def _job(path: Path, line: int, row: Mapping[str, str], owner: str) -> Job:
    if not row["job_id"]:
        _wrong(path, line, "job_id is empty")
    gpus, milli = _gang(path, line, row["num_gpus"])
    return Job(
        job_id=row["job_id"],
        submit_s=Ticks(_seconds(path, line, "submit_s", row["submit_s"], least=0)),
        gpus=gpus,
        milli=milli,
        duration_s=Ticks(_seconds(path, line, "duration_s", row["duration_s"], least=1)),
        owner=owner,
        line=line,
    )


def _gang(path: Path, line: int, text: str) -> tuple[int, int]:
    """Returns whole GPUs, and thousandths of one."""
    number = _number(text)
    if number is not None and number.is_integer() and 1 <= number <= MAX_GPUS:
        return int(number), 0
    if number is not None and 0 < number < 1 and round(number * MILLI) in range(1, MILLI):
        return 0, round(number * MILLI)
    expected = f"a whole number from 1 to {MAX_GPUS}, or a fraction between 0 and 1"
    return _wrong(path, line, f"num_gpus must be {expected}, came {text!r}")


def _seconds(path: Path, line: int, column: str, text: str, *, least: int) -> int:
    number = _number(text)
    if number is None or not number.is_integer() or not least <= number <= MAX_SECONDS:
        expected = f"whole seconds from {least} to {MAX_SECONDS}"
        _wrong(path, line, f"{column} must be {expected}, came {text!r}")
    return int(number)


def _number(text: str) -> float | None:
    """Reads a number; doubles hold every whole one that is allowed here."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _wrong(path: Path, line: int, what: str) -> NoReturn:
    raise UsageError(what=f"trace {path}, line {line}: {what}")

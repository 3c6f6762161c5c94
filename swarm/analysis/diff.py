"""What differs between runs: the first message that does, and a table, paired by seed.

A table of one run a side shows both and the difference. With several, it shows means and the
difference with its interval: of paired differences where both sides have the same seeds, else of
two groups.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swarm.analysis.facts import SCORES, facts
from swarm.analysis.intervals import Interval, difference_interval, mean_interval
from swarm.analysis.log_lines import message_lines
from swarm.analysis.run import Run, load_run
from swarm.analysis.wording import counted, listed
from swarm.errors import UsageError
from swarm.runtime.run_folder import MANIFEST

WIDTH = 100
"""Characters of a payload's field that are shown of each side."""

BEFORE = 30
"""How many of them lie before the place where the sides part."""

_MARKS = """
select hash(due, phase, sender, recipient, counter, kind, cause, contract, payload) as mark
from messages order by seq
"""
_ROW = """
select seq, id, due, phase, sender, recipient, kind, cause, contract, payload
from messages where seq = $seq
"""


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first message in which two logs differ."""

    seq: int
    n_messages: tuple[int, int]
    fields: tuple[str, ...]
    """Which columns differ, of a payload which fields; none where one log has ended."""
    rows: tuple[dict[str, Any] | None, dict[str, Any] | None]  # Any: values of a row
    """None where that log has ended."""
    lines: tuple[str, str]
    """The rows for people."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One fact of both sides."""

    name: str
    ours: float
    """Mean of the runs given first."""
    theirs: float
    difference: Interval
    """Theirs minus ours: what changed from A to B."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How the runs of one side differ from those of the other."""

    sides: tuple[tuple[str, ...], tuple[str, ...]]
    """The run folders compared, pair by pair where they are paired."""
    n_given: tuple[int, int]
    """How many runs each side had; where seeds are shared, only their runs are compared."""
    is_paired: bool
    first: Divergence | None
    """Of one run against one run; None where the logs are equal, or several were given."""
    table: tuple[Line, ...]
    problems: tuple[str, ...]


def compare(ours: Sequence[Path], theirs: Sequence[Path]) -> Comparison:
    """Compares runs.

    Args:
        ours: Run folders, or folders of run folders.
        theirs: What they are compared with.

    Raises:
        UsageError: If there is no run in one of them.
    """
    a, b = ([load_run(path) for path in _expand(side)] for side in (ours, theirs))
    n_given = (len(a), len(b))
    shared = _shared_seeds(a, b)
    is_paired = len(shared) > 1 or (bool(shared) and n_given == (1, 1))
    if is_paired:
        a, b = ([by_seed[seed] for seed in shared] for by_seed in map(_by_seed, (a, b)))
    is_single = len(a) == len(b) == 1
    return Comparison(
        sides=(tuple(str(run.path) for run in a), tuple(str(run.path) for run in b)),
        n_given=n_given,
        is_paired=is_paired,
        first=first_difference(a[0], b[0]) if is_single else None,
        table=_table([facts(run) for run in a], [facts(run) for run in b], is_paired=is_paired),
        problems=tuple(f"{run.path}: {one}" for run in (*a, *b) for one in run.problems),
    )


def first_difference(ours: Run, theirs: Run) -> Divergence | None:
    """Returns the first message in canonical order that is not the same in both logs."""
    marks = [_marks(run) for run in (ours, theirs)]
    shared = min(len(marks[0]), len(marks[1]))
    unequal = np.flatnonzero(marks[0][:shared] != marks[1][:shared])
    if not len(unequal) and len(marks[0]) == len(marks[1]):
        return None
    seq = int(unequal[0]) if len(unequal) else shared
    frames = [run.sql(_ROW, {"seq": seq}) for run in (ours, theirs)]
    a, b = (frame.row(0, named=True) if len(frame) else None for frame in frames)
    lines = [next(message_lines(frame), "the log has ended") for frame in frames]
    fields = () if a is None or b is None else _fields(a, b)
    return Divergence(
        seq=seq,
        n_messages=(len(marks[0]), len(marks[1])),
        fields=fields,
        rows=(a, b),
        lines=(lines[0], lines[1]),
    )


def comparison_lines(found: Comparison) -> list[str]:
    """Renders a comparison for people; facts that are zero on both sides are left out."""
    n_a, n_b = (len(side) for side in found.sides)
    lines = []
    if n_a == n_b == 1:
        lines += _first_lines(found)
    else:
        given = f"{counted(found.n_given[0], 'run')} against {counted(found.n_given[1], 'run')}"
        paired = f"paired by the {n_a} seeds that both sides have"
        lines.append(f"{given}, {paired if found.is_paired else 'not paired: seeds differ'}")
    shown = [line for line in found.table if line.ours or line.theirs]
    rows = [(line.name, _number(line.ours), _number(line.theirs), _change(line)) for line in shown]
    rows.insert(0, ("", "A", "B", "B - A" if n_a == n_b == 1 else "B - A [95 %]"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, *cells in rows:
        aligned = "  ".join(cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True))
        lines.append(f"{name.ljust(widths[0])}  {aligned}".rstrip())
    return lines


def as_object(found: Comparison) -> dict[str, Any]:  # Any: JSON
    """Returns JSON values."""
    tree = asdict(found)
    tree["table"] = [{**asdict(one), "difference": one.difference._asdict()} for one in found.table]
    return tree


def _first_lines(found: Comparison) -> list[str]:
    first = found.first
    if first is None:
        return ["the logs are equal, message for message"]
    what = f" in {', '.join(first.fields)}" if first.fields else ": one log has ended"
    return [
        f"the logs differ from message #{first.seq} on{what}",
        f"  A  {first.lines[0]}",
        f"  B  {first.lines[1]}",
        *(text for field in first.fields for text in _around(field, first)),
    ]


def _fields(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:  # Any: a row
    named = [name for name in a if a[name] != b[name]]
    if "payload" in named and a["kind"] == b["kind"]:
        ours, theirs = json.loads(a["payload"]), json.loads(b["payload"])
        keys = sorted(ours.keys() | theirs.keys())
        inside = [f"payload.{key}" for key in keys if ours.get(key) != theirs.get(key)]
        named[named.index("payload") :] = inside
    return tuple(named)


def _around(field: str, first: Divergence) -> list[str]:
    """Returns both texts of a payload's field from a little before the place where they part."""
    key = field.removeprefix("payload.")
    if key == field:
        return []
    texts = [str(json.loads(row["payload"]).get(key)) for row in first.rows if row is not None]
    parted = next(
        (at for at, (x, y) in enumerate(zip(*texts, strict=False)) if x != y), min(map(len, texts))
    )
    start = max(0, parted - BEFORE)
    cut = "..." if start else ""
    return [
        f"  {side}  {field}: {cut}{text[start : start + WIDTH]}"
        for side, text in zip("AB", texts, strict=True)
    ]


def _marks(run: Run) -> npt.NDArray[np.uint64]:
    marks: npt.NDArray[np.uint64] = run.sql(_MARKS)["mark"].to_numpy()
    return marks


def _by_seed(runs: Sequence[Run]) -> dict[int, Run]:
    return {int(run.manifest["seed"]): run for run in runs}


def _shared_seeds(a: Sequence[Run], b: Sequence[Run]) -> list[int]:
    """Returns the seeds of both sides; none where a side has one twice: no pair is sure then."""
    ours, theirs = _by_seed(a), _by_seed(b)
    if len(ours) < len(a) or len(theirs) < len(b):
        return []
    return sorted(ours.keys() & theirs.keys())


def _expand(paths: Sequence[Path]) -> list[Path]:
    """Replaces folders of runs by the runs in them, by name."""
    runs: list[Path] = []
    for path in paths:
        if (path / MANIFEST).exists():
            runs.append(path)
            continue
        inside = sorted(one.parent for one in path.glob(f"*/{MANIFEST}"))
        if not inside:
            hint = "give a run folder, or a folder with run folders in it"
            raise UsageError(what=f"{path} holds no run: {hint}")
        runs += inside
    resolved = [path.resolve() for path in runs]
    if twice := sorted({str(path) for path in resolved if resolved.count(path) > 1}):
        raise UsageError(
            what=f"{listed(twice, at_most=3)} is given twice on one side; once will do"
        )
    return runs


def _table(
    ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]], *, is_paired: bool
) -> tuple[Line, ...]:
    """Compares fact by fact; what a run has none of (a kind, a part) is zero there."""
    names: dict[str, None] = {}
    for one in (*ours, *theirs):
        names |= dict.fromkeys(one)
    lines = []
    for name in sorted(names, key=_rank(list(names))):
        if name in SCORES and any(name not in one for one in (*ours, *theirs)):
            continue
        a = [one.get(name, 0.0) for one in ours]
        b = [one.get(name, 0.0) for one in theirs]
        if is_paired:
            interval = mean_interval([y - x for x, y in zip(a, b, strict=True)])
        else:
            interval = difference_interval(b, a)
        lines.append(
            Line(
                name=name,
                ours=sum(a) / len(a),
                theirs=sum(b) / len(b),
                difference=interval,
            )
        )
    return tuple(lines)


def _rank(names: Sequence[str]) -> Any:  # noqa: ANN401  Any: a key function
    """Keeps the order of the facts; kinds that only one side has go to the kinds, by name."""
    place = {name: at for at, name in enumerate(names)}

    def key(name: str) -> tuple[int, int, str]:
        is_kind = name.startswith("messages ")
        return (int(is_kind), 0 if is_kind else place[name], name)

    return key


def _change(line: Line) -> str:
    found = line.difference
    text = _signed(found.mean)
    if found.low is not None and found.high is not None:
        text += f" [{_signed(found.low)}, {_signed(found.high)}]"
    return text


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + _number(value)


def _number(value: float) -> str:
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3f}"

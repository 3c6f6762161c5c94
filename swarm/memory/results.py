"""Results in notes: what the lines say about values that were tried, by tag and by setting.

Lines are those that researchers write (``pipeline/research``), as in ``dead end: optimizer 1f0c77aa
(lr=0.02 name=muon): -0.0100 bpb on 8e72f966``. A line of another form says nothing here.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

_VALUE = re.compile(r"\b([a-z_]+) ([0-9a-f]{8})\b(?: \((.*?)\):)?(.*)", re.DOTALL)
_GAIN = re.compile(r"(?<!\w)[+-]\d+\.\d+")
_FAILED = ": failed, "


class Result(NamedTuple):
    """What one line says of one value."""

    tag: str
    """Eight hexadecimal digits by which notebooks call the value."""
    made: dict[str, str]
    """What it had set, by name, where the line tells: as text. Nobody may change it."""
    gain: float | None
    """None if the trial failed."""


def read_results(notes: Iterable[str], part: str) -> list[Result]:
    """Returns what some notes say of trials of a part, in their order."""
    return [found for note in notes if (found := _read(note, part)) is not None]


@lru_cache(maxsize=8_192)
def _read(note: str, part: str) -> Result | None:
    match = _VALUE.search(note)
    if match is None or match[1] != part:
        return None
    made = {
        name: text
        for name, is_set, text in (word.partition("=") for word in (match[3] or "").split())
        if is_set
    }
    if match[3] is not None and f":{match[4]}".startswith(_FAILED):
        return Result(match[2], made, None)
    gain = _GAIN.search(match[4])
    return None if gain is None else Result(match[2], made, float(gain[0]))

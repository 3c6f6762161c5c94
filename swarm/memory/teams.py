"""Shared notes of a team: what all actors of one role wrote down, by time, in one file.

``notes/teams/<role>.md`` is made from the actors' own notebooks, whatever shards they were on, when
a run ends in any way; a run that goes on makes it anew. Like the notebooks it is for people, to
read and to write in. No run reads either: actors remember what they noted as part of their state.
So what a person changes before a ``resume`` changes no digest. What was added behind a snapshot is
cut off with all else there; a notebook that was made shorter costs the way back to an older one.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from swarm.errors import RunFailedError, boundary

FOLDER = "teams"

_ITEM = re.compile(r"- \[day (\d+), (\d\d):(\d\d):(\d\d)\] ")


class _Item(NamedTuple):
    """One note, with what puts it in order: time, number of the actor, place in its notebook."""

    at: tuple[int, ...]
    number: int
    place: int
    text: str


def write_team_notes(notes: Path) -> None:
    """Writes the shared notes of every role that has a notebook.

    Args:
        notes: The folder of the notebooks.

    Raises:
        RunFailedError: If the disk refuses.
    """
    teams: dict[str, list[_Item]] = {}
    with boundary(RunFailedError, f"writing shared notes into {notes / FOLDER}"):
        for path in notes.glob("*.md"):
            role, _, number = path.stem.rpartition("-")
            if role and number.isdecimal():
                teams.setdefault(role, []).extend(_items(path, int(number)))
        for role in sorted(teams):
            (notes / FOLDER).mkdir(exist_ok=True)
            items = "".join(item.text for item in sorted(teams[role]))
            text = f"# {role}\n\nShared notes of everybody of this role, by time.\n\n{items}"
            partial = notes / FOLDER / f".{role}.md"
            partial.write_text(text, encoding="utf-8")
            partial.replace(notes / FOLDER / f"{role}.md")


def _items(path: Path, number: int) -> Iterator[_Item]:
    """Yields the notes of one notebook; lines that begin none belong to the one before them."""
    begun: list[str] = []
    at: tuple[int, ...] = ()
    place = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if found := _ITEM.match(line):
            if begun:
                yield _Item(at, number, place, "".join(begun))
            at, place = tuple(map(int, found.groups())), place + 1
            begun = [f"{found[0]}{path.stem}: {line[found.end() :]}\n"]
        elif begun:
            begun.append(f"{line}\n")
    if begun:
        yield _Item(at, number, place, "".join(begun))

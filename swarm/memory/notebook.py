"""Notebooks: one markdown file per actor, written from what actors note.

People may read them, and write in them: no run reads them (``teams.py`` says more).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from swarm.errors import RunFailedError, boundary
from swarm.kernel.envelope import RECORD, Envelope
from swarm.kernel.record import Noted
from swarm.kernel.roster import Roster
from swarm.units import DAY, HOUR, MINUTE, Ticks

FLUSH_LINES = 2_000
"""Lines that may wait in memory before they are written."""


class NotebookSink:
    """A ``Sink`` that appends what an actor notes to ``<folder>/<actor>.md``.

    A file is begun afresh when its actor first notes something, so a run that is executed again
    leaves the same notebooks. Several sinks may share a folder if no actor writes to two of them.

    Args:
        folder: Where the notebooks stand; created when there is something to write.
        roster: Gives actors their names.
        begun: Ranks whose notebooks are there already, up to a snapshot.
    """

    def __init__(self, folder: Path, *, roster: Roster, begun: Iterable[int] = ()) -> None:
        self._folder = folder
        self._roster = roster
        self._waiting: dict[int, list[str]] = {}
        self._n_waiting = 0
        self._begun: set[int] = set(begun)

    def write(self, due: int, phase: int, rows: Sequence[Envelope]) -> None:
        """Takes one bucket; keeps the notes that are in it.

        Raises:
            RunFailedError: If the disk refuses.
        """
        if phase != RECORD:
            return
        for rank, _, _, _, message in rows:
            if isinstance(message, Noted):
                self._waiting.setdefault(rank, []).append(note_line(Ticks(due), message.text))
                self._n_waiting += 1
        if self._n_waiting >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Writes what waits.

        Raises:
            RunFailedError: If the disk refuses; what was not written still waits.
        """
        with boundary(RunFailedError, f"writing notebooks into {self._folder}"):
            if self._waiting:
                self._folder.mkdir(parents=True, exist_ok=True)
            for rank in sorted(self._waiting):
                self._append(rank, "".join(self._waiting[rank]))
                self._n_waiting -= len(self._waiting.pop(rank))

    def _append(self, rank: int, text: str) -> None:
        actor = self._roster.name(rank)
        is_new = rank not in self._begun
        if is_new:
            text = f"# {actor}\n\nNotebook of a {self._roster.role(rank)}.\n\n{text}"
        with (self._folder / f"{actor}.md").open("w" if is_new else "a", encoding="utf-8") as file:
            file.write(text)
        self._begun.add(rank)


def note_line(at: Ticks, text: str) -> str:
    """Returns a markdown list item such as ``- [day 3, 04:12:00] text``; the first day is day 0.

    Further lines of the text are indented, so that they stay inside the item.
    """
    day, rest = divmod(at, DAY)
    clock = f"{rest // HOUR:02}:{rest % HOUR // MINUTE:02}:{rest % MINUTE:02}"
    return f"- [day {day}, {clock}] " + "\n  ".join(text.splitlines()) + "\n"

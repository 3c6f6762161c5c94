"""The notebooks' side of a replay: what actors noted must stand in their files."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swarm.errors import RunFailedError, boundary
from swarm.kernel.envelope import PHASES, RECORD
from swarm.kernel.message import NO_MESSAGE, Message
from swarm.kernel.record import Noted
from swarm.kernel.roster import Roster
from swarm.memory.notebook import NotebookSink


class NoteCheck:
    """Writes the notebooks again, beside the run, and compares.

    Args:
        folder: ``notes/`` of the run folder.
        roster: Gives actors their names.
    """

    def __init__(self, folder: Path, roster: Roster) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._again = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._sink = NotebookSink(self._again, roster=roster)

    def close(self) -> None:
        """Removes what was written for the comparison."""
        self._stack.close()

    def add(
        self, key: NDArray[np.int64], rank: NDArray[np.int64], messages: Sequence[Message]
    ) -> None:
        """Takes rows of the log; those that are no notes are passed over."""
        for i in np.flatnonzero(key % PHASES == RECORD).tolist():
            if isinstance(messages[i], Noted):
                row = int(rank[i]), 0, 0, NO_MESSAGE, messages[i]
                self._sink.write(int(key[i]) // PHASES, RECORD, [row])

    def compare(self, *, is_whole: bool, problems: list[str]) -> int:
        """Compares the files.

        Args:
            is_whole: Whether all notes of the run were taken; of a part, one of the two files must
                be the beginning of the other.
            problems: Gets a sentence for every notebook that differs.

        Returns:
            How many are as they should be.

        Raises:
            RunFailedError: If the disk refuses.
        """
        self._sink.flush()
        n_equal = 0
        for again in sorted(self._again.glob("*.md")):
            path = self._folder / again.name
            expected = again.read_bytes()
            with boundary(RunFailedError, f"reading the notebook {path}"):
                found = path.read_bytes() if path.exists() else b""
            n = min(len(expected), len(found))
            if found == expected or (not is_whole and found[:n] == expected[:n]):
                n_equal += 1
            else:
                problems.append(f"notebook {path} does not hold what its actor noted")
        return n_equal

"""Results of this run's jobs on disk, from the moment they are there.

An answer is journalled when it falls due, which may be long after the job is done. A process that
dies in between must not cost the work again. Whoever carried a job out keeps its result.
"""

import os
import tempfile
from pathlib import Path
from zlib import crc32

from swarm.errors import RunFailedError, boundary
from swarm.runtime.jobs import Done

_CRC_BYTES = 4
_FIGURE_BYTES = 24


class ResultStore:
    """A folder with a file for every task that was carried out; safe to use from many processes.

    Args:
        folder: Created when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __contains__(self, key: str) -> bool:
        return (self._folder / key).exists()

    def get(self, key: str) -> Done | None:
        """Returns the result of a task; None if there is none, or it is not whole."""
        try:
            data = (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None
        body = data[_CRC_BYTES:]
        if crc32(body) != int.from_bytes(data[:_CRC_BYTES], "little") or len(body) < _FIGURE_BYTES:
            return None
        return Done(body[_FIGURE_BYTES:], float(body[:_FIGURE_BYTES]))

    def put(self, key: str, done: Done) -> None:
        """Keeps a result. A file of that name is always whole.

        Raises:
            RunFailedError: If the disk refuses.
        """
        body = f"{done.cpu_seconds:{_FIGURE_BYTES}.6f}".encode() + done.payload
        data = crc32(body).to_bytes(_CRC_BYTES, "little") + body
        with boundary(RunFailedError, f"keeping a result in {self._folder}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=self._folder, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(partial).replace(self._folder / key)
            except BaseException:
                Path(partial).unlink(missing_ok=True)
                raise


def results_store(run: Path) -> ResultStore:
    """Returns the store of a run."""
    return ResultStore((run / "artifacts" / "results").absolute())

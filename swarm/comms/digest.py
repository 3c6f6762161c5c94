"""Two digests of the message log, the same for any number of shards.

Actors are cut into cells, contiguous ranges of ranks whose number depends on the number of actors
alone. A shard hosts whole cells and keeps a chain of hashes for each, one link per (instant,
phase); the digest of a run is the hash of all chains in order. *control* covers due, phase, sent,
ids, cause and kind; *payload* covers that and every byte of the payloads.
"""

from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

MAX_CELLS = 1024

_EMPTY = bytes(32)
_FRESH = sha256()


def cell_starts(n_actors: int) -> list[int]:
    """Returns the first rank of every cell, and ``n_actors`` as the last item."""
    cells = max(1, min(n_actors, MAX_CELLS))
    return [n_actors * i // cells for i in range(cells + 1)]


def shard_ranges(n_actors: int, n_shards: int) -> list[range]:
    """Cuts the ranks into shards of whole cells, as equal as cells allow."""
    starts = cell_starts(n_actors)
    cells = len(starts) - 1
    cuts = [starts[cells * i // n_shards] for i in range(n_shards + 1)]
    return [range(a, b) for a, b in pairwise(cuts)]


class ChainDigest:
    """The chains of the cells that one shard hosts.

    Args:
        n_actors: Actors in the whole run.
        hosted: Ranks of this shard.
    """

    def __init__(self, *, n_actors: int, hosted: range) -> None:
        starts = cell_starts(n_actors)
        self.first_cell = next(i for i, s in enumerate(starts) if s >= hosted.start)
        inside = [s for s in starts if hosted.start <= s < hosted.stop]
        self._starts = np.array(inside, dtype=np.int64)
        self.control = [_EMPTY] * len(inside)
        self.payload = [_EMPTY] * len(inside)

    def update(
        self,
        columns: NDArray[np.int64],
        buffer: bytes | bytearray | memoryview,
        offsets: NDArray[np.int64],
    ) -> None:
        """Adds rows in canonical order.

        Args:
            columns: (rows, 7) integers: due, phase, sent, dst, id, cause, kind's checksum.
            buffer: The payloads, one after the other.
            offsets: (rows + 1) where each payload begins, and the end.
        """
        cells = np.searchsorted(self._starts, columns[:, 3], side="right") - 1
        moved = (
            (np.diff(columns[:, 0]) != 0) | (np.diff(columns[:, 1]) != 0) | (np.diff(cells) != 0)
        )
        cuts = [0, *(np.flatnonzero(moved) + 1).tolist(), len(columns)]
        bytes_at = offsets[cuts].tolist()
        cell_at = cells[cuts[:-1]].tolist()
        rows = memoryview(columns.astype("<i8", order="C", copy=False).data).cast("B")
        width = columns.shape[1] * 8
        payloads = memoryview(buffer)
        control, payload = self.control, self.payload
        fresh = _FRESH.copy  # a copy costs less than looking the algorithm up again
        for i, cell in enumerate(cell_at):
            mine = rows[cuts[i] * width : cuts[i + 1] * width]
            chain = fresh()
            chain.update(control[cell])
            chain.update(mine)
            control[cell] = chain.digest()
            chain = fresh()
            chain.update(payload[cell])
            chain.update(mine)
            chain.update(payloads[bytes_at[i] : bytes_at[i + 1]])
            payload[cell] = chain.digest()


def combine(chains: Sequence[bytes]) -> str:
    """Returns the digest of a run from the chains of all its cells, in order of cells."""
    return sha256(b"".join(chains)).hexdigest()


def kind_checksum(tag: str) -> int:
    """Returns a number for a message type that depends on its tag alone."""
    return crc32(tag.encode())

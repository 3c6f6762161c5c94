"""Batches between shards on the wire: one JSON array, encoded and decoded in one call each.

JSON as in the log: what cannot be logged cannot be sent either. Pickling the same batches takes
six times the CPU-seconds.
"""

from functools import cache
from typing import TypeAlias, Union, cast

import msgspec

from swarm.errors import WireError
from swarm.kernel.engine import Batch
from swarm.pipeline.wire import codec


def encode_batch(batch: Batch) -> bytes:
    """Returns the bytes of a batch."""
    return codec().encoder.encode(batch)


def decode_batch(data: bytes) -> Batch:
    """Returns the batch that the bytes hold.

    Raises:
        WireError: If they hold no batch of known messages.
    """
    try:
        return _decoder().decode(data)
    except msgspec.DecodeError as wrong:
        raise WireError(
            where="batch between shards",
            expected="envelopes with messages of known types",
            came=f"{data!r:.200} ({wrong})",
        ) from wrong


@cache
def _decoder() -> "msgspec.json.Decoder[Batch]":
    message: TypeAlias = Union[tuple(codec().by_tag.values())]  # type: ignore[valid-type]  # noqa: UP007  known when running only
    shape = list[tuple[int, list[tuple[int, int, int, int, message]]]]
    return msgspec.json.Decoder(cast("type[Batch]", shape))

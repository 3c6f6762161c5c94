"""What a snapshot holds of one actor.

It is taken between windows, when no actor is handling anything. All that an actor is beyond its
configuration: its state, how many ids it has given away, how far its streams were drawn.
"""

from functools import cache
from typing import cast

import msgspec

from swarm.errors import WireError


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One actor at a barrier between windows."""

    state: bytes
    """Its role's state, in msgpack."""
    next_id: int
    """The id of its next message."""
    streams: tuple[tuple[str, int], ...]
    """(name, words drawn) of the streams that it has used."""
    has_acted: bool
    """Whether it ever told somebody something, or ordered or asked anything."""
    is_stopped: bool
    """Whether it has ended itself."""


def encode_state(state: msgspec.Struct) -> bytes:
    """Returns the bytes of a role's state."""
    return _encoder().encode(state)


def restore_state(state: msgspec.Struct, data: bytes) -> None:
    """Gives a role's state, as it stands after construction, the values that bytes hold.

    The object stays the same: a role that wraps another one only reads the inner one's state.

    Raises:
        WireError: If the bytes hold no state of this type.
    """
    kind = type(state)
    try:
        decoded = _decoder(kind).decode(data)
    except msgspec.DecodeError as wrong:
        raise WireError(
            where=f"snapshot of {kind.__name__}",
            expected="a state of that type",
            came=f"{len(data)} bytes ({wrong})",
        ) from wrong
    for name in kind.__struct_fields__:
        msgspec.structs.force_setattr(state, name, getattr(decoded, name))


@cache
def _encoder() -> msgspec.msgpack.Encoder:
    return msgspec.msgpack.Encoder()


@cache
def _decoder(kind: type[msgspec.Struct]) -> "msgspec.msgpack.Decoder[msgspec.Struct]":
    return cast("msgspec.msgpack.Decoder[msgspec.Struct]", msgspec.msgpack.Decoder(kind))

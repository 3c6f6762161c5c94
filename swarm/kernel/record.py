"""What the kernel itself puts on record about an actor, beside the messages of protocols."""

from swarm.kernel.message import Message


class Noted(Message, frozen=True, kw_only=True, tag="kernel.noted"):
    """The actor appended a line to its notebook."""

    text: str


class Stopped(Message, frozen=True, kw_only=True, tag="kernel.stopped"):
    """The actor ended itself; later messages to it are dead letters."""

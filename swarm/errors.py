"""Every error swarm raises on purpose: one tree, rooted at ``SwarmError``.

Two kinds are kept apart: what a user can mend (``UsageError`` and its children, exit code 2) and
what means that the run is broken (everything else, exit code 1).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class SwarmError(Exception):
    """Root of the tree. A subclass is a keyword-only dataclass of facts plus a sentence."""

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the shape of a pickle is the pickler's affair
        """Pickle by attributes: Ray ships errors between processes, and notes must survive."""
        return _rebuild, (type(self), vars(self))


def _rebuild(kind: type[SwarmError], facts: dict[str, Any]) -> SwarmError:  # Any: facts vary
    error = kind.__new__(kind)
    vars(error).update(facts)
    return error


@dataclass(eq=False, kw_only=True)
class UsageError(SwarmError):
    """The user asked for something that cannot be; the sentence says what to do instead."""

    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(eq=False, kw_only=True)
class RunFailedError(SwarmError):
    """The run cannot go on, through no fault in its invariants (a full disk, Ray that died)."""

    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(eq=False, kw_only=True)
class LostError(RunFailedError):
    """A process or machine that the run needs is gone; from the last snapshot it can go on."""


@dataclass(eq=False, kw_only=True)
class ProtocolError(SwarmError):
    """A message arrived that the receiver's protocol state does not allow."""

    role: str
    state: str
    message: object

    def __str__(self) -> str:
        return f"{self.role} in state {self.state!r} cannot accept {self.message}"


@dataclass(eq=False, kw_only=True)
class NotNeighbourError(SwarmError):
    """An actor addressed somebody that no edge of the coordination graph connects it to."""

    sender: str
    recipient: str
    message: object

    def __str__(self) -> str:
        return (
            f"{self.sender} has no edge to {self.recipient} and cannot tell it"
            f" {type(self.message).__qualname__}; add an edge or a service edge"
        )


@dataclass(eq=False, kw_only=True)
class InvariantError(SwarmError):
    """Something that must always hold does not: a bug in swarm, never a user's mistake."""

    rule: str
    expected: str
    came: str

    def __str__(self) -> str:
        return f"{self.rule}: expected {self.expected}, came {self.came}"


@dataclass(eq=False, kw_only=True)
class WireError(SwarmError):
    """Bytes that should hold a message or a log record do not."""

    where: str
    expected: str
    came: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, came {self.came}"


@contextmanager
def boundary(error: type[UsageError | RunFailedError], what: str) -> Iterator[None]:
    """Turns a foreign error (torch, Ray, the disk) into one of ours, keeping it as the cause."""
    try:
        yield
    except SwarmError:
        raise
    except Exception as foreign:
        raise error(what=f"{what}: {type(foreign).__name__}: {foreign}") from foreign

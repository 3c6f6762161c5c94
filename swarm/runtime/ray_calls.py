"""Calls to our Ray actors: an error comes back as a value, so that ours arrive as they were raised.

Ray itself would wrap it into an error of its own with a traceback for a message.
"""

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from swarm.errors import RunFailedError, SwarmError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An error that a call ended with, and its traceback over there."""

    error: Exception
    story: str


class RemoteError(Exception):
    """The cause of an error that another process raised: its traceback there, as text."""


def shielded(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Raised:
    """Calls; returns what comes back, or what was raised."""
    try:
        return call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  raised again by the caller, whatever it is
        story = "".join(traceback.format_exception(error))
        return Raised(error=_portable(error), story=story)


def unwrapped(reply: T | Raised) -> T:
    """Returns a reply, or raises what the call ended with, notes included."""
    if isinstance(reply, Raised):
        if isinstance(reply.error, SwarmError):
            raise reply.error
        raise reply.error from RemoteError(reply.story)
    return reply


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  it was ours a moment ago
    except Exception:  # noqa: BLE001  any class may fail to pickle in its own way
        plain = RunFailedError(what=f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", []):
            plain.add_note(note)
        return plain
    return error

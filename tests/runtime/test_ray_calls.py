import pickle

import pytest

from swarm.errors import InvariantError, RunFailedError
from swarm.runtime.ray_calls import Raised, RemoteError, shielded, unwrapped


class StubbornError(Exception):
    """Does not unpickle: its constructor wants two arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


def fail(error: Exception) -> int:
    error.add_note("raised by ada-0")
    raise error


def travelled(error: Exception) -> object:
    return pickle.loads(pickle.dumps(shielded(fail, error)))


def test_what_comes_back_is_what_was_returned() -> None:
    assert unwrapped(shielded(divmod, 7, 2)) == (3, 1)


def test_our_errors_arrive_as_they_were_raised_notes_included() -> None:
    reply = travelled(InvariantError(rule="r", expected="e", came="c"))

    with pytest.raises(InvariantError, match="r: expected e, came c") as caught:
        unwrapped(reply)

    assert caught.value.__notes__ == ["raised by ada-0"]
    assert caught.value.__cause__ is None


def test_foreign_errors_keep_their_type_and_bring_their_traceback() -> None:
    reply = travelled(ZeroDivisionError("no"))

    with pytest.raises(ZeroDivisionError) as caught:
        unwrapped(reply)

    assert caught.value.__notes__ == ["raised by ada-0"]
    assert isinstance(caught.value.__cause__, RemoteError)
    assert "in fail" in str(caught.value.__cause__)


def test_an_error_that_does_not_travel_becomes_a_sentence() -> None:
    reply = travelled(StubbornError("a", "b"))

    assert isinstance(reply, Raised)
    assert isinstance(reply.error, RunFailedError)
    assert str(reply.error) == "StubbornError: ab"
    assert reply.error.__notes__ == ["raised by ada-0"]

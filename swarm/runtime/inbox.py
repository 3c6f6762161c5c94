"""The inbox of a run: questions that wait for a person, and what the person says.

``inbox/<id>.json`` holds a question, ``inbox/<id>.answer.json`` what counts as its answer: what a
person said or, after the deadline, the policy. An answer is linked into place, which succeeds once:
whoever comes second finds it taken. The run takes it from there into the journal like the answer
of any mind; a run that goes on finds it here, and asks again only what has none.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from swarm.comms.messages.human import ApprovalSought, Decide, Decided
from swarm.errors import RunFailedError, UsageError, boundary
from swarm.minds.human import PERSON, Human
from swarm.pipeline.wire import codec
from swarm.runtime.desk import Backend
from swarm.runtime.folder_lock import is_locked
from swarm.runtime.jobs import Done, Task
from swarm.runtime.run_folder import read_manifest

StructT = TypeVar("StructT", bound=msgspec.Struct)

FOLDER = "inbox"

ID_LENGTH = 8
"""Of the 64 hexadecimal digits by which the desk knows a task."""

LOOK_EVERY = 0.1
"""Wall seconds between two looks for an answer."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of the inbox holds."""

    id: str
    asked_at: str
    """Wall time, ISO 8601."""
    until: str
    """Wall time at which the policy's answer is taken."""
    policy: Literal["approve", "veto"]
    sought: ApprovalSought


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was said to it."""

    is_approved: bool
    reason: str
    by: Literal["person", "policy"]
    at: str
    """Wall time, ISO 8601."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and its answer if it has one."""

    question: Question
    answer: Answer | None


class PeopleBackend:
    """A ``Backend`` that leaves questions to people in the inbox, and all else to another one.

    Args:
        others: Carries out everything else.
        run: The run folder.
        deadline: Wall seconds that a question waits from the moment it was asked.
        tell: Hears one sentence when the run begins to wait for a person.
        look_every: Wall seconds between two looks for an answer.
    """

    def __init__(
        self,
        others: Backend,
        run: Path,
        *,
        deadline: float,
        tell: Callable[[str], None] = lambda _: None,
        look_every: float = LOOK_EVERY,
    ) -> None:
        self._others, self._run = others, run
        self._deadline, self._tell, self._look_every = deadline, tell, look_every
        self._asked: dict[str, tuple[Decide, float]] = {}

    def submit(self, key: str, task: Task) -> None:
        """Takes a task; a question to a person is in the inbox when this returns."""
        if task.mind != PERSON:
            self._others.submit(key, task)
            return
        question = codec().decode(task.payload)
        if not isinstance(question, Decide):
            raise UsageError(
                what=f"mind {PERSON!r} answers human.decide only, came a question of type"
                f" {type(question).__qualname__}; give the role that asks it another mind"
            )
        self._asked[key] = question, time.monotonic() + self._deadline
        if _read_answer(self._run, key[:ID_LENGTH]) is None:
            _post(self._run, key[:ID_LENGTH], question, self._deadline)

    def result(self, key: str) -> Done:
        """Waits for the task of that key; tasks of others go on meanwhile."""
        if key not in self._asked:
            return self._others.result(key)
        question, end = self._asked[key]
        name = key[:ID_LENGTH]
        if _read_answer(self._run, name) is None:
            self._tell(f"waiting for a person: python -m swarm inbox {self._run}")
        while (answer := _read_answer(self._run, name)) is None:
            if time.monotonic() >= end:
                word = Human().decide(question)
                _settle(self._run, name, word, by="policy")
                continue
            self._others.running()  # or workers would run dry while a person thinks
            time.sleep(min(self._look_every, max(0.0, end - time.monotonic())))
        del self._asked[key]
        decided = Decided(is_approved=answer.is_approved, reason=answer.reason)
        return Done(codec().encode(decided), 0.0)

    def running(self) -> int:
        """Tasks being carried out now; a person is none."""
        return self._others.running()

    def close(self) -> float:
        """Ends the workers of the other backend; returns the CPU-seconds they used."""
        return self._others.close()


def read_inbox(run: Path) -> list[Item]:
    """Returns what was asked in a run, by the time of asking.

    Raises:
        UsageError: If there is no run, or a file of its inbox is damaged.
    """
    read_manifest(run)
    found = []
    for path in (run / FOLDER).glob("*.json"):
        if not path.name.startswith(".") and not path.name.endswith(".answer.json"):
            question = _read(path, Question)
            found.append(Item(question=question, answer=_read_answer(run, path.stem)))
    return sorted(found, key=lambda item: (item.question.asked_at, item.question.id))


def answer(run: Path, name: str, *, is_approved: bool, reason: str = "") -> Item:
    """Answers a question of a run that waits; works from any process of the machine.

    Args:
        run: The run folder.
        name: Id of the question.
        is_approved: What is said.
        reason: Why; it goes into the log.

    Returns:
        The question with its answer.

    Raises:
        UsageError: If there is no such question, if it has an answer, or if the run is not running.
    """
    items = {item.question.id: item for item in read_inbox(run)}
    if name not in items:
        waiting = ", ".join(i for i, item in items.items() if item.answer is None) or "none"
        raise UsageError(what=f"{run} has no question {name!r}; waiting: {waiting}")
    if (before := items[name].answer) is None:
        if not is_waiting(run):
            status = read_manifest(run)["status"]
            raise UsageError(
                what=f"{run} is not running (its status is {status!r}), so nobody waits for an"
                f" answer; python -m swarm resume {run} asks again"
            )
        word = Decided(is_approved=is_approved, reason=reason or "no reason given")
        if _settle(run, name, word, by="person"):
            return Item(question=items[name].question, answer=_read_answer(run, name))
        before = _read_answer(run, name)
    said = "an answer" if before is None else f"{verb(before)} by {before.by} at {before.at}"
    raise UsageError(what=f"question {name} was answered before: {said}")


def is_waiting(run: Path) -> bool:
    """Returns whether a process is at work on the run, so that answers are taken."""
    return read_manifest(run)["status"] == "running" and is_locked(run)


def inbox_lines(run: Path) -> list[str]:
    """Returns the inbox for people, what waits first; one line for each question and its answer."""
    items = read_inbox(run)
    waits = is_waiting(run)
    first = sorted(items, key=lambda one: one.answer is not None)
    return [_line(item, waits=waits) for item in first] or ["nobody was asked anything"]


def inbox_object(run: Path) -> dict[str, object]:
    """Returns the inbox as JSON values."""
    return {
        "run": str(run),
        "is_waiting": is_waiting(run),
        "questions": [msgspec.to_builtins(item) for item in read_inbox(run)],
    }


def verb(said: Answer) -> str:
    """Returns what was said, as a verb in the past."""
    return "approved" if said.is_approved else "vetoed"


def _line(item: Item, *, waits: bool) -> str:
    asked, said = item.question, item.answer
    one = asked.sought
    about = (
        f"{asked.id}  swap {one.part} by {one.author}: {one.gain:+.4f}"
        f" [{one.gain_low:+.4f}, {one.gain_high:+.4f}] {one.unit}"
    )
    if said is not None:
        return f"{about}  {verb(said)} by {said.by}: {said.reason}"
    then = "approved" if asked.policy == "approve" else "vetoed"
    end = f"waits; {then} at {asked.until}" if waits else "open, but the run is not running"
    return f"{about}  {end}\n          {one.value}"


def _post(run: Path, name: str, question: Decide, deadline: float) -> None:
    now = datetime.now(tz=UTC)
    posted = Question(
        id=name,
        asked_at=now.isoformat(timespec="milliseconds"),
        until=(now + timedelta(seconds=deadline)).isoformat(timespec="seconds"),
        policy="approve" if question.policy else "veto",
        sought=question.sought,
    )
    _write(run / FOLDER / f"{name}.json", posted)


def _settle(run: Path, name: str, word: Decided, *, by: Literal["person", "policy"]) -> bool:
    """Puts an answer into place; returns whether it was the first."""
    said = Answer(
        is_approved=word.is_approved,
        reason=word.reason,
        by=by,
        at=datetime.now(tz=UTC).isoformat(timespec="seconds"),
    )
    return _write(_answer_path(run, name), said, once=True)


def _write(path: Path, content: msgspec.Struct, *, once: bool = False) -> bool:
    """Writes a file that is always whole; with ``once`` only if there is none of that name."""
    with boundary(RunFailedError, f"writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(msgspec.to_builtins(content), indent=1).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if not once:
                Path(partial).replace(path)
                return True
            try:
                path.hardlink_to(partial)
            except FileExistsError:
                return False
            return True
        finally:
            Path(partial).unlink(missing_ok=True)


def _answer_path(run: Path, name: str) -> Path:
    return run / FOLDER / f"{name}.answer.json"


def _read_answer(run: Path, name: str) -> Answer | None:
    path = _answer_path(run, name)
    return _read(path, Answer) if path.exists() else None


def _read(path: Path, kind: type[StructT]) -> StructT:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, OSError) as wrong:
        raise UsageError(what=f"{path} is damaged: {wrong}; remove it") from wrong

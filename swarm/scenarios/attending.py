"""The command ``inbox``: what of a run waits for a person, and the person's answers."""

import json
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from swarm.errors import UsageError
from swarm.runtime.inbox import answer, inbox_lines, inbox_object, verb


def inbox(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    approve: Annotated[str | None, typer.Option(metavar="ID", help="Say yes to it.")] = None,
    veto: Annotated[str | None, typer.Option(metavar="ID", help="Say no to it.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; it goes into the log.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List what waits for a person, or answer it."""
    name = _chosen(approve, veto, reason)
    if name is None:
        _say(json.dumps(inbox_object(run)) if as_json else "\n".join(inbox_lines(run)))
        return
    item = answer(run, name, is_approved=approve is not None, reason=reason or "")
    if as_json:
        _say(json.dumps(msgspec.to_builtins(item)))
    elif item.answer is not None:
        _say(f"{name} {verb(item.answer)}: {item.answer.reason}")


def _chosen(approve: str | None, veto: str | None, reason: str | None) -> str | None:
    """Returns the question that is answered, if one is."""
    if approve is not None and veto is not None:
        raise UsageError(what="--approve and --veto answer one question each; give one of them")
    name = veto if approve is None else approve
    if name is None and reason is not None:
        raise UsageError(what="--reason goes with --approve ID or --veto ID")
    return name


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

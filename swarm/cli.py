"""The commands of ``python -m swarm``: what one does with a run, a machine, a promise.

Standard output is for the result, standard error for the rest. Exit codes: 0 ok, 1 failed, 2 bad
usage, 130 interrupted.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from typer.core import TyperGroup

import swarm
from swarm.analysis.machine import examine
from swarm.analysis.promises import Report, read_report
from swarm.errors import RunFailedError, UsageError
from swarm.scenarios.config import parse_duration
from swarm.scenarios.entry import run_command

BENCHMARKS = Path(swarm.__file__).parents[1] / "benchmarks"


class Commands(TyperGroup):
    """A group that answers an unknown command with one sentence."""

    # Any: typer keeps its copies of click's types to itself.
    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """Returns the command of that name. Raises ``UsageError``, listing all, if none is."""
        if (found := super().get_command(ctx, cmd_name)) is None:
            raise UsageError(
                what=f"no command is named {cmd_name!r}; there are {', '.join(self.commands)},"
                " and a lab runs with python -m swarm.scenarios.<name>"
            )
        return found


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Look into runs and machines. A lab runs with python -m swarm.scenarios.<name>.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def commands() -> None:
    """Keeps a group a group while it has few commands."""


@app.command()
def log(  # noqa: PLR0917  typer reads the signature, nobody calls it by position
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    sql: Annotated[str | None, typer.Option(help="A query over messages, actors, journal.")] = None,
    kind: Annotated[str | None, typer.Option(help="A kind, or a protocol like lease.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who sent or received.")] = None,
    since: Annotated[str | None, typer.Option(help="Virtual time, like 12h.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows at most; 0 for all.")] = 100,
    *,
    as_json: Json = False,
) -> None:
    """Print rows of a run's message log."""
    from swarm.analysis import log_lines  # noqa: PLC0415  DuckDB and Polars, needed here alone

    if sql is not None and (kind, actor, since) != (None, None, None):
        raise UsageError(what="give --sql or a choice by --kind, --actor and --since, not both")
    opened = swarm.load_run(run)
    for problem in opened.problems:
        sys.stderr.write(f"note: {problem}\n")
    if sql is not None:
        found = opened.sql(sql)
        rows, n_rows = found.head(limit) if limit else found, len(found)
    else:
        rows, n_rows = log_lines.select_messages(
            opened,
            kind=kind,
            actor=actor,
            since=_since(since),
            limit=limit or None,
        )
    if as_json:
        objects = log_lines.table_objects(rows) if sql else log_lines.message_objects(rows)
        facts = {"run": str(run), "status": opened.manifest["status"], "n_rows": n_rows}
        _say(json.dumps({**facts, "rows": objects, "problems": opened.problems}, default=str))
        return
    _say(log_lines.table_text(rows) if sql else "\n".join(log_lines.message_lines(rows)))
    if len(rows) < n_rows:
        sys.stderr.write(f"{len(rows):,} of {n_rows:,} rows; --limit 0 prints all\n")


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Say what this machine can run, and what is missing."""
    machine = examine(Path.cwd())
    _say(json.dumps(asdict(machine)) if as_json else "\n".join(machine.lines()))
    raise typer.Exit(0 if machine.can_run["labs in one process"] else 1)


@app.command(context_settings={"ignore_unknown_options": True})
def bench(
    name: Annotated[str | None, typer.Argument(help="One benchmark; by default all.")] = None,
    arguments: Annotated[list[str] | None, typer.Argument(help="What it takes.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Measure what was promised, and say whether it holds."""
    known = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    if name is not None and name not in known:
        raise UsageError(
            what=f"no benchmark is named {name!r}; {BENCHMARKS} has {', '.join(known) or 'none'}"
        )
    reports = [_measure(one, arguments or ()) for one in ([name] if name else known)]
    if as_json:
        every = [report.as_object() for report in reports]
        _say(json.dumps({"holds": all(one.holds for one in reports), "benchmarks": every}))
    else:
        _say("\n".join(line for report in reports for line in report.lines()))
    raise typer.Exit(0 if all(report.holds for report in reports) else 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits with its code."""
    run_command(app, arguments)


def _since(text: str | None) -> int:
    if text is None:
        return 0
    try:
        return parse_duration(text)
    except UsageError as wrong:
        expected = "a span of virtual time above zero, such as 2d, 12h or 90m"
        raise UsageError(what=f"--since {text!r}: expected {expected}") from wrong


def _measure(name: str, arguments: Sequence[str]) -> Report:
    """Runs a benchmark in a process of its own: memory and start-up are among the figures."""
    sys.stderr.write(f"measuring {name}\n")
    command = [sys.executable, "-m", f"{BENCHMARKS.name}.{name}", *arguments, "--json"]
    # The folder is no part of the package; from here alone it can be found.
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)}
    done = subprocess.run(  # noqa: S603  our own file
        command, stdout=subprocess.PIPE, env=environment, check=False
    )
    try:
        return read_report(done.stdout)
    except msgspec.DecodeError as wrong:
        raise RunFailedError(
            what=f"benchmark {name} ended with code {done.returncode} and without a report"
        ) from wrong


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

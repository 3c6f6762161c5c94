"""The commands of ``python -m swarm``: what one does with a run, a machine, a promise.

Standard output is for the result, standard error for the rest. Exit codes: 0 ok, 1 failed, 2 bad
usage, 3 replay diverged, 130 interrupted.

Longer than 300 lines: one short function for each command, and nowhere else to look for them.
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
from swarm.runtime.run_folder import read_manifest
from swarm.scenarios.attending import inbox
from swarm.scenarios.config import parse_duration, parse_settings
from swarm.scenarios.continuing import fork_run, known_runtime, resume_run
from swarm.scenarios.entry import exit_code, present, run_command

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
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


@app.callback()
def commands() -> None:
    """Keeps a group a group while it has few commands."""


@app.command()
def resume(
    run: RunFolder,
    runtime: Annotated[str | None, typer.Option(help="inline or ray; as it was.")] = None,
    shards: Annotated[int | None, typer.Option(help="As they were.")] = None,
    workers: Annotated[int | None, typer.Option(help="Job processes under ray.")] = None,
    address: Annotated[str | None, typer.Option(help="A Ray cluster to join.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Go on after a stop or a crash, from the last snapshot to the end."""
    lab, outcome = resume_run(
        run, runtime=known_runtime(runtime), shards=shards, workers=workers, address=address
    )
    present(lab, outcome, as_json=as_json)
    raise typer.Exit(exit_code(outcome))


@app.command()
def fork(
    run: RunFolder,
    at: Annotated[str, typer.Option(metavar="SEQ|TIME", help="A message, or time like 3d.")],
    set_: Annotated[list[str], typer.Option("--set", help="key=value, repeatable.")],
    out: Annotated[Path, typer.Option(help="The fork's run folder; must be empty.")],
    *,
    as_json: Json = False,
) -> None:
    """Run what would have become of a run, had something been different from there on."""
    lab, outcome = fork_run(run, at=at, settings=parse_settings(set_), out=out)
    present(lab, outcome, as_json=as_json)
    raise typer.Exit(exit_code(outcome))


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
def why(
    run: RunFolder,
    what: Annotated[str, typer.Argument(metavar="PART|SEQ", help="Or a version's hash.")],
    *,
    as_json: Json = False,
) -> None:
    """Print the chain of causes of a part, a swap or a message, back to the need behind it."""
    from swarm.analysis.why import why as explain  # noqa: PLC0415  as in log

    found = explain(_opened(run), what)
    _say(json.dumps(found.as_object()) if as_json else "\n".join(found.lines()))


@app.command()
def diff(
    runs: Annotated[list[Path], typer.Argument(metavar="A B", help="Runs, or folders of runs.")],
    against: Annotated[
        list[Path] | None, typer.Option(help="Run of the other side, repeatable.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Print the first message in which two runs differ, and a table of both sides."""
    from swarm.analysis import diff as differ  # noqa: PLC0415  as in log

    if not against and len(runs) != 2:
        raise UsageError(
            what=f"diff compares two sides, came {len(runs)}: give A B, or more runs of one side"
            " and --against for each of the other"
        )
    ours, theirs = (runs, against) if against else (runs[:1], runs[1:])
    found = differ.compare(ours, theirs)
    for problem in found.problems:
        sys.stderr.write(f"note: {problem}\n")
    if as_json:
        _say(json.dumps(differ.as_object(found)))
    else:
        _say("\n".join(differ.comparison_lines(found)))


@app.command()
def trace(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON to write.")],
    since: Annotated[str | None, typer.Option(help="Virtual time, like 12h.")] = None,
    until: Annotated[str | None, typer.Option(help="Virtual time, like 2d.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Write a run as a trace for Perfetto: actors, GPUs, jobs, and flows along causes."""
    from swarm.analysis.trace import write_trace  # noqa: PLC0415  as in log

    end = None if until is None else _ticks("--until", until)
    found = write_trace(_opened(run), file, since=_since(since), until=end)
    _say(json.dumps(asdict(found)) if as_json else found.sentence())


@app.command()
def report(
    run: RunFolder,
    out: Annotated[Path | None, typer.Option(help="By default report.html in the run.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Write the report of a run: one HTML file that opens offline."""
    from swarm.analysis.report.page import write_report  # noqa: PLC0415  as in log

    written = write_report(_opened(run), out)
    facts = {"run": str(run), "report": str(written), "bytes": written.stat().st_size}
    _say(json.dumps(facts) if as_json else str(written))


@app.command()
def replay(
    run: RunFolder,
    actor: Annotated[str | None, typer.Option(help="The only actor to replay.")] = None,
    until: Annotated[str | None, typer.Option(help="Virtual time, like 2d.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Execute every actor again, compare with the log, and name the first divergence."""
    from swarm.runtime.replay import replay as execute  # noqa: PLC0415  keeps other commands light
    from swarm.scenarios import rebuild  # noqa: PLC0415

    end = None if until is None else _ticks("--until", until)
    manifest = read_manifest(run)
    blueprint, earlier = rebuild.rebuild_blueprint(manifest), rebuild.rebuild_earlier(manifest)
    found = execute(run, blueprint, earlier=earlier, actor=actor, until=end)
    for problem in found.problems:
        sys.stderr.write(f"note: {problem}\n")
    _say(json.dumps(found.as_object()) if as_json else "\n".join(found.lines()))
    raise typer.Exit(found.exit_code)


@app.command()
def export(
    run: RunFolder,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Empty, or not there yet.")],
    corpora: Annotated[Path, typer.Option(help="Where labs keep their corpora.")] = Path(
        ".cache/corpus"
    ),
    *,
    as_json: Json = False,
) -> None:
    """Write what a run found: recipe as one script, checkpoint, trajectories, evidence."""
    from swarm.analysis.export import export as write  # noqa: PLC0415  as in log

    found = write(_opened(run), folder, corpora=corpora)
    for problem in found.problems:
        sys.stderr.write(f"note: {problem}\n")
    _say(json.dumps(asdict(found)) if as_json else "\n".join(found.lines()))


@app.command()
def serve(
    run: RunFolder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8_000,
    *,
    as_json: Json = False,
) -> None:
    """Serve the last checkpoint of a run with vLLM, in OpenAI's protocol, until Ctrl-C."""
    from swarm.analysis import serving  # noqa: PLC0415  as in log

    def ready(served: serving.Served) -> None:
        _say(json.dumps(asdict(served)) if as_json else "\n".join(served.lines()))

    serving.serve(_opened(run), host=host, port=port, ready=ready)


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


app.command()(inbox)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits with its code."""
    run_command(app, arguments)


def _opened(path: Path) -> Any:  # noqa: ANN401  Any: Run would load DuckDB for every command
    """Opens a run, and says on standard error what of it could not be read."""
    run = swarm.load_run(path)
    for problem in run.problems:
        sys.stderr.write(f"note: {problem}\n")
    return run


def _since(text: str | None) -> int:
    return 0 if text is None else _ticks("--since", text)


def _ticks(option: str, text: str) -> int:
    try:
        return parse_duration(text)
    except UsageError as wrong:
        expected = "a span of virtual time above zero, such as 2d, 12h or 90m"
        raise UsageError(what=f"{option} {text!r}: expected {expected}") from wrong


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

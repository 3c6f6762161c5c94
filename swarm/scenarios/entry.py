"""The command line that every scenario shares, and what it prints.

Standard output is for the result, standard error for progress and mistakes. Exit codes: 0 ok,
1 run failed, 2 bad usage, 130 interrupted.
"""

import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

import typer
from rich.console import Console as Terminal

from swarm.errors import SwarmError, UsageError
from swarm.runtime.launch import Options, Outcome
from swarm.scenarios.config import parse_counts, parse_duration, parse_settings
from swarm.scenarios.lab import Lab

EXIT_CODES = {"ok": 0, "failed": 1, "interrupted": 130}

MAX_ACTORS = 10_000_000
"""A number above this is more likely a slip of the finger than a lab."""


class LabFactory(Protocol):
    """The ``lab`` function of a scenario module."""

    def __call__(self, **overrides: object) -> Lab:
        """Builds a lab from overrides of its config, by dotted key."""


class Front:
    """The front door of one scenario.

    Args:
        name: The scenario's name.
        lab: Its ``lab`` function.
        counts: Default number of actors per role.
        single: Roles that have one actor whatever the size of the lab.
        runtime: Default runtime.
        shards: Default number of shards under ``ray``.
    """

    def __init__(
        self,
        name: str,
        *,
        lab: LabFactory,
        counts: Mapping[str, int],
        single: Sequence[str] = (),
        runtime: Literal["inline", "ray"] = "inline",
        shards: int = 1,
    ) -> None:
        self._name, self._lab, self._counts, self._single = name, _importable(lab), counts, single
        self._runtime, self._shards = runtime, shards

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Runs the command and exits with its code."""
        app = typer.Typer(
            add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
        )
        app.command(help=f"Run the scenario {self._name}.")(self.run)
        run_command(app, arguments)

    def run(  # noqa: PLR0917  typer reads the signature, nobody calls it by position
        self,
        seed: Annotated[
            int | None, typer.Option(help="Seed of every random stream; 0 by default.")
        ] = None,
        actors: Annotated[
            int | None, typer.Option(help="Actors in all, shared out by role.")
        ] = None,
        role: Annotated[list[str] | None, typer.Option(help="role=count, repeatable.")] = None,
        set_: Annotated[
            list[str] | None, typer.Option("--set", help="key=value, repeatable.")
        ] = None,
        runtime: Annotated[str | None, typer.Option(help="inline or ray.")] = None,
        shards: Annotated[int | None, typer.Option(help="Engines to cut the actors into.")] = None,
        actors_per_shard: Annotated[int | None, typer.Option(help="Instead of --shards.")] = None,
        address: Annotated[str | None, typer.Option(help="A Ray cluster to join.")] = None,
        workers: Annotated[int | None, typer.Option(help="Job processes under ray.")] = None,
        until: Annotated[
            str | None, typer.Option(help="Virtual time to stop at, like 30d.")
        ] = None,
        fidelity: Annotated[str | None, typer.Option(help="real or surrogate jobs.")] = None,
        out: Annotated[Path | None, typer.Option(help="The run folder; must be empty.")] = None,
        cache: Annotated[Path | None, typer.Option(help="Keep results of jobs here.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002
    ) -> None:
        """Reads the arguments, runs the lab, prints the result."""
        host = _one_of("--runtime", runtime or self._runtime, ("inline", "ray"))
        _expect_host(host, workers=workers, address=address)
        counts = parse_counts(role or [], self._counts)
        if actors is not None:
            _expect_bearable(actors)
            counts = scale_counts(actors, self._counts, fixed=counts, single=self._single)
        flags: dict[str, object] = {f"roles.{name}": count for name, count in counts.items()}
        flags |= {"seed": seed, "fidelity": fidelity}
        flags["until"] = parse_duration(until) if until is not None else None
        lab = self._lab(**_join(parse_settings(set_ or []), flags))
        _expect_bearable(sum(dict(getattr(lab.config, "roles", {})).values()))
        options = Options(
            runtime=host,
            shards=self._count_shards(lab, shards, actors_per_shard, runtime),
            address=address,
            workers=workers,
            out=out,
            cache_dir=_make_cache(cache),
            is_supervised=host == "ray",
        )
        outcome = lab.run(options)
        present(lab, outcome, as_json=as_json)
        raise typer.Exit(exit_code(outcome))

    def _count_shards(
        self, lab: Lab, shards: int | None, per_shard: int | None, runtime: str | None
    ) -> int:
        if shards is not None and per_shard is not None:
            raise UsageError(what="give --shards or --actors-per-shard, not both")
        if per_shard is not None:
            if per_shard < 1:
                raise UsageError(what=f"--actors-per-shard must be at least 1, came {per_shard}")
            roles = dict(getattr(lab.config, "roles", {}))
            return max(1, -(-sum(roles.values()) // per_shard))
        if shards is not None:
            return shards
        return self._shards if (runtime or self._runtime) == "ray" else 1


def _importable(lab: LabFactory) -> LabFactory:
    """Returns the same function as other processes can import it, if its module is run as a file.

    What such a module defines belongs to this process alone, and so would what it builds.
    """
    module = sys.modules.get(getattr(lab, "__module__", ""))
    spec = getattr(module, "__spec__", None)
    if spec is None or spec.name == lab.__module__:
        return lab
    found: LabFactory = importlib.import_module(spec.name).lab
    return found


def scale_counts(
    total: int,
    counts: Mapping[str, int],
    *,
    fixed: Mapping[str, int] | None = None,
    single: Sequence[str] = (),
) -> dict[str, int]:
    """Shares a number of actors out over roles, in proportion, by largest remainder.

    Every role of the default keeps at least one actor; roles in ``fixed`` keep their count, and
    those in ``single`` keep one.

    Raises:
        UsageError: If there are fewer actors than roles.
    """
    kept = {**dict.fromkeys(single, 1), **(fixed or {})}
    free = {role: n for role, n in counts.items() if role not in kept and n > 0}
    left = total - sum(kept.values())
    if left < len(free) or total < 1:
        need = sum(kept.values()) + len(free)
        raise UsageError(what=f"--actors {total}: this lab needs at least {need} actors")
    weight = sum(free.values())
    spread = left - len(free)
    shares = {role: 1 + spread * n // weight for role, n in free.items()} if weight else {}
    by_remainder = sorted(free, key=lambda role: (-(spread * free[role] % weight), role))
    for role in by_remainder[: left - sum(shares.values())]:
        shares[role] += 1
    return {**kept, **shares}


def exit_code(outcome: Outcome) -> int:
    """Returns 0 ok, 1 failed, 2 if the user asked for what cannot be, 130 interrupted."""
    return 2 if isinstance(outcome.error, UsageError) else EXIT_CODES[outcome.status]


def present(lab: Lab, outcome: Outcome, *, as_json: bool) -> None:
    """Prints how a run ended."""
    if as_json:
        sys.stdout.write(json.dumps(outcome.summary) + "\n")
    else:
        summary = outcome.summary
        terminal = Terminal()
        lab.tell(outcome, terminal)
        terminal.print(
            f"{outcome.status}: {summary['actors']:,} actors, {summary['messages']:,} messages in"
            f" {summary['windows']:,} windows, {summary['wall_seconds']:.1f} s,"
            f" {summary['cpu_seconds']:.1f} CPU-s"
            f" ({summary['cpu_seconds_in_jobs']:.1f} in {summary['jobs']} jobs)",
            highlight=False,
        )
        terminal.print(f"digests {summary['digest_control'][:16]} {summary['digest_payload'][:16]}")
        terminal.print(f"run folder: {outcome.path}", highlight=False, soft_wrap=True)
    if outcome.error is not None:
        _complain(outcome.error)
    elif outcome.status == "interrupted":
        sys.stderr.write(f"interrupted; what was done is in {outcome.path}\n")


def run_command(app: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Runs a typer app with swarm's manners: one sentence for a mistake, no traceback."""
    try:
        app(args=list(arguments) if arguments is not None else None)
    except UsageError as wrong:
        _complain(wrong)
        sys.exit(2)
    except SwarmError as wrong:
        _complain(wrong)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone; say nothing more, also not when Python flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _complain(error: SwarmError) -> None:
    sys.stderr.write(f"error: {error}\n")
    for note in getattr(error, "__notes__", []):
        sys.stderr.write(f"  {note}\n")


def _join(settings: Mapping[str, str], flags: Mapping[str, object]) -> dict[str, object]:
    """Joins what ``--set`` and the other flags say; they must not speak of the same key."""
    given = {key: value for key, value in flags.items() if value is not None}
    for key in settings:
        for flagged in given:
            if key == flagged or flagged.startswith(f"{key}."):
                raise UsageError(what=f"give {flagged} by --set or by its own flag, not both")
    return {**settings, **given}


def _expect_host(host: str, *, workers: int | None, address: str | None) -> None:
    if workers is not None and workers < 1:
        raise UsageError(what=f"--workers must be at least 1, came {workers}")
    if host == "inline" and (workers is not None or address is not None):
        flag = "--workers" if workers is not None else "--address"
        raise UsageError(
            what=f"{flag} is for --runtime ray, which this run is not; add it or leave {flag} out"
        )


def _expect_bearable(n_actors: int) -> None:
    if n_actors > MAX_ACTORS:
        raise UsageError(what=f"a lab has at most {MAX_ACTORS:,} actors, came {n_actors:,}")


def _make_cache(cache: Path | None) -> Path | None:
    """Makes the folder now, so that a bad path is found before anything runs."""
    if cache is not None:
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as wrong:
            what = f"--cache {cache}: expected a folder or a place for one, {wrong.strerror}"
            raise UsageError(what=what) from wrong
        if not os.access(cache, os.W_OK | os.X_OK):
            raise UsageError(what=f"--cache {cache}: the folder cannot be written to")
    return cache


def _one_of(
    flag: str, value: str, known: tuple[Literal["inline"], Literal["ray"]]
) -> Literal["inline", "ray"]:
    for one in known:
        if value == one:
            return one
    raise UsageError(what=f"{flag} {value!r} is unknown; choose {' or '.join(known)}")

"""A lab that can be run: what every scenario module's ``lab()`` returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal

from swarm.runtime.blueprint import Blueprint
from swarm.runtime.fork import Change, fork
from swarm.runtime.launch import Finish, Options, Outcome, launch, resume
from swarm.runtime.snapshots import Cadence
from swarm.scenarios.config import Config

FOUND = ("corpus_hash", "corpus_domains")
"""Keys of a manifest's config that are no settings: what was found when the lab was built."""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A configured scenario."""

    config: Config
    build: Callable[[Options], Blueprint]
    """Makes the blueprint; may prepare a corpus, and raises ``UsageError`` for what cannot be."""
    restore: Callable[[Mapping[str, object]], Blueprint] | None = None
    """Makes the blueprint of a run that was, from the config in its manifest alone; by default
    ``build`` with default options."""
    finish: Finish | None = None
    tell: Callable[[Outcome, Terminal], None] = lambda _outcome, _terminal: None
    """Shows a person how it went, after the common lines."""

    def run(self, options: Options | None = None, **changes: Any) -> Outcome:  # noqa: ANN401
        """Runs the lab and returns how it ended.

        Args:
            options: Where and how to run.
            changes: Fields of ``Options`` to change (any of them, hence any type), for short
                calls: ``run(out=Path("x"))``.
        """
        chosen = self._with_cadence(replace(options or Options(), **changes))
        return launch(self.build(chosen), chosen, self.finish)

    def resume(self, run: Path, options: Options | None = None) -> Outcome:
        """Goes on with a run of this lab that was stopped or killed, and returns how it ended."""
        chosen = self._with_cadence(options or Options())
        return resume(run, self.build(chosen), chosen, self.finish)

    def fork(self, parent: Path, change: Change, before: Blueprint, options: Options) -> Outcome:
        """Runs this lab from a barrier of a run that was made of another blueprint."""
        chosen = self._with_cadence(options)
        return fork(
            parent,
            change,
            before=before,
            after=self.build(chosen),
            options=chosen,
            finish=self.finish,
        )

    def _with_cadence(self, options: Options) -> Options:
        asked = self.config.snapshots
        return replace(options, cadence=Cadence(asked.every, asked.cpu_percent))

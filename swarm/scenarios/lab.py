"""A lab that can be run: what every scenario module's ``lab()`` returns."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console as Terminal

from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Finish, Options, Outcome, launch
from swarm.scenarios.config import Config


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A configured scenario."""

    config: Config
    build: Callable[[Options], Blueprint]
    """Makes the blueprint; may prepare a corpus, and raises ``UsageError`` for what cannot be."""
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
        chosen = replace(options or Options(), **changes)
        return launch(self.build(chosen), chosen, self.finish)

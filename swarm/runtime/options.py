"""How a run is asked for, what a scenario sees of it at its end, and how it ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from swarm.errors import SwarmError
from swarm.kernel.message import Message
from swarm.pipeline.workbench import Workbench
from swarm.runtime.run_folder import Status
from swarm.runtime.snapshots import Cadence

Perform = Callable[[Sequence[Message]], list[Message]]
"""Carries out jobs side by side and returns their results, in order."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a scenario may look at after its run has come to rest."""

    path: Path
    bench: Workbench
    virtual_seconds: int
    is_at_rest: bool
    """Whether nothing was due any more; False if ``until`` cut the run off."""
    watched: tuple[tuple[int, Message], ...]
    """(due, message) of the kinds that the blueprint watches, in order of time."""


Finish = Callable[[Result, Perform], Mapping[str, object]]
"""What a scenario does after the run has come to rest (audits, for example), as facts."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where and how to run; nothing here changes what happens."""

    runtime: Literal["inline", "ray"] = "inline"
    shards: int = 1
    address: str | None = None
    workers: int | None = None
    """Processes for jobs under ``ray``; by default one per core."""
    out: Path | None = None
    corpus_dir: Path = Path(".cache/corpus")
    cache_dir: Path | None = None
    """Keeps results of jobs for later runs."""
    shuffle: int | None = None
    is_live: bool = True
    """Whether progress is shown on standard error."""
    cadence: Cadence = field(default_factory=Cadence)
    """How often snapshots are taken."""
    is_supervised: bool = False
    """Whether the coordinator of a ``ray`` run is a process of its own, replaced if it dies."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    path: Path
    status: Status
    summary: dict[str, Any] = field(default_factory=dict)  # Any: JSON
    error: SwarmError | None = None

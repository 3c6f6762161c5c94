"""Runs that are disturbed on purpose: what a kill -9 would leave on disk, after any window."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from swarm.runtime.attempt import Attempt
from swarm.runtime.coordinator import Progress
from swarm.runtime.launch import InlineRuntime, Options, Outcome, launch
from swarm.runtime.resume import Start
from swarm.runtime.run_folder import RunFolder
from swarm.runtime.snapshots import Cadence
from swarm.scenarios.lab import Lab

AT_EVERY_BARRIER = Cadence(every=1, cpu_percent=1e12)


def undisturbed(lab: Lab, options: Options, out: Path) -> Outcome:
    """Runs to the end."""
    chosen = replace(options, out=out)
    return launch(lab.build(chosen), chosen, lab.finish)


def killed_after(lab: Lab, options: Options, windows: Iterable[int], into: Path) -> dict[int, Path]:
    """Runs a lab once and copies its folder after some windows, as it lies on the disk then.

    Returns:
        The copies by number of windows, those that the run got to.
    """
    wanted, copies = set(windows), {}
    blueprint = lab.build(options)
    host: dict[str, object] = {"runtime": options.runtime, "shards": options.shards}
    folder = RunFolder.create(blueprint, out=into / "whole", host=host)

    def copy(progress: Progress) -> None:
        if progress.windows in wanted:
            copies[progress.windows] = into / f"after-{progress.windows}"
            shutil.copytree(folder.path, copies[progress.windows])

    attempt = Attempt(blueprint, options, folder.path, start=Start(), on_window=copy)
    attempt.go(InlineRuntime(options), lab.finish)
    return copies

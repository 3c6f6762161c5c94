"""The ``ray`` runtime: starts Ray or joins it, sets shards and workers up, takes all down again.

This file and ``ray_start`` import Ray when they are called; the rest of the Ray host at once.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from swarm.pipeline.workbench import Workbench
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.options import Options
from swarm.runtime.ray_start import RaySession
from swarm.runtime.results import results_store

if TYPE_CHECKING:
    from ray import ObjectRef

    from swarm.runtime.ray_host import RayHost
    from swarm.runtime.ray_workers import RayBackend


HEAD_LOST = 76
"""Exit code of a coordinator that has lost the head of its own Ray."""


class _Plan(NamedTuple):
    """What shards are made of."""

    shared: "ObjectRef[Blueprint]"
    """In Ray's store."""
    blueprint: Blueprint
    folder: Path


def _end_at_once() -> None:
    """Leaves the rest to the supervisor: who waits for a Ray without head waits for ever."""
    os._exit(HEAD_LOST)


class RayRuntime:
    """Shards and workers as Ray actors, on this machine or a cluster.

    Args:
        options: Shards, workers, address.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._session: RaySession | None = None
        self._host: RayHost | None = None
        self._backend: RayBackend | None = None
        self._plan: _Plan | None = None
        self._shard_pids: set[int] = set()

    def start(
        self, blueprint: Blueprint, folder: Path, bench: Workbench, start: Path | None
    ) -> tuple["RayHost", "RayBackend"]:
        """Starts everything; workers import the stages that the blueprint names meanwhile."""
        options = self._options
        self._session = RaySession(
            folder=folder / "ray",
            address=options.address,
            n_cpus=options.workers,
            on_loss=_end_at_once if options.is_supervised else None,
        )
        ray = self._session.ray
        from swarm.runtime.ray_workers import RayBackend  # noqa: PLC0415  imports Ray

        n_cpus = int(ray.cluster_resources().get("CPU", 1))
        shared = ray.put(blueprint)
        self._backend = RayBackend(
            shared, bench, n_workers=options.workers or n_cpus, store=results_store(folder)
        )
        self._plan = _Plan(shared, blueprint, folder.absolute())
        if blueprint.stages:
            self._backend.open()
        return self.rehost(start), self._backend

    def drop(self) -> None:
        """Ends all shards, and waits until they are gone."""
        if self._host is not None:
            self._shard_pids |= self._host.pids()
            self._host.kill()
            self._host.wait_until_gone()
            self._host = None

    def rehost(self, start: Path | None) -> "RayHost":
        """Starts all shards; workers go on meanwhile."""
        from swarm.runtime.ray_host import RayHost  # noqa: PLC0415  imports Ray

        assert self._backend is not None
        assert self._plan is not None
        plan = self._plan
        self._host = RayHost(
            plan.shared,
            n_actors=sum(count for _, count in plan.blueprint.roster),
            n_shards=self._options.shards,
            folder=plan.folder,
            shuffle=self._options.shuffle,
            tend=self._backend.tend,
            start=start,
        )
        self._host.open()
        return self._host

    def stop(self) -> float:
        """Ends our actors, and Ray if it was started here."""
        if self._session is None:
            return 0.0
        ours = set(self._shard_pids)
        if self._backend is not None:
            ours |= self._backend.pids()
            self._backend.kill()
        if self._host is not None:
            ours |= self._host.pids()
            self._host.kill()
        return self._session.stop(apart_from=ours)

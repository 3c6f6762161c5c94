"""The ``ray`` runtime: starts Ray or joins it, sets shards and workers up, takes all down again.

This file and ``ray_start`` import Ray when they are called; the rest of the Ray host at once.
"""

from typing import TYPE_CHECKING

from swarm.pipeline.workbench import Workbench
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.ray_start import RaySession
from swarm.runtime.run_folder import RunFolder

if TYPE_CHECKING:
    from swarm.runtime.launch import Options
    from swarm.runtime.ray_host import RayHost
    from swarm.runtime.ray_workers import RayBackend


class RayRuntime:
    """Shards and workers as Ray actors, on this machine or a cluster.

    Args:
        options: Shards, workers, address.
    """

    def __init__(self, options: "Options") -> None:
        self._options = options
        self._session: RaySession | None = None
        self._host: RayHost | None = None
        self._backend: RayBackend | None = None

    def start(
        self, blueprint: Blueprint, folder: RunFolder, bench: Workbench
    ) -> tuple["RayHost", "RayBackend"]:
        """Starts everything; workers import the stages that the blueprint names meanwhile."""
        options = self._options
        self._session = RaySession(
            folder=folder.path / "ray", address=options.address, n_cpus=options.workers
        )
        ray = self._session.ray
        from swarm.runtime.ray_host import RayHost  # noqa: PLC0415  imports Ray
        from swarm.runtime.ray_workers import RayBackend  # noqa: PLC0415

        n_cpus = int(ray.cluster_resources().get("CPU", 1))
        shared = ray.put(blueprint)
        self._backend = RayBackend(shared, bench, n_workers=options.workers or n_cpus)
        self._host = RayHost(
            shared,
            n_actors=sum(count for _, count in blueprint.roster),
            n_shards=options.shards,
            folder=folder.path.absolute(),
            shuffle=options.shuffle,
            tend=self._backend.tend,
        )
        if blueprint.stages:
            self._backend.open()
        self._host.open()
        return self._host, self._backend

    def stop(self) -> float:
        """Ends our actors, and Ray if it was started here."""
        if self._session is None:
            return 0.0
        ours: set[int] = set()
        if self._backend is not None:
            ours |= self._backend.pids()
            self._backend.kill()
        if self._host is not None:
            ours |= self._host.pids()
            self._host.kill()
        return self._session.stop(apart_from=ours)

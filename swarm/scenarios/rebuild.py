"""From a manifest back to the lab that ran: what replay, resume and fork begin with."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from swarm.errors import UsageError
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.options import Options
from swarm.runtime.replay import Earlier
from swarm.scenarios.lab import FOUND, Lab


class _Parent(msgspec.Struct):
    """What a manifest says of the run that a fork began with."""

    config: dict[str, Any]  # Any: JSON
    barrier: int
    dropped: int | None = None
    parent: dict[str, Any] | None = None  # Any: the same of the parent's parent


def rebuild_lab(manifest: Mapping[str, object]) -> Lab:
    """Returns the lab of a run, configured as it was.

    Raises:
        UsageError: If this swarm has no such scenario, or the config does not fit it.
    """
    name, config = manifest.get("scenario"), manifest.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        raise UsageError(what="the manifest names no scenario with a config")
    if not (name.isidentifier() and (Path(__file__).parent / f"{name}.py").is_file()):
        raise UsageError(what=f"the run is of scenario {name!r}, which this swarm does not have")
    module = importlib.import_module(f"swarm.scenarios.{name}")
    if not hasattr(module, "lab"):
        raise UsageError(what=f"the run is of scenario {name!r}, which is none")
    try:
        lab: Lab = module.lab(**{key: value for key, value in config.items() if key not in FOUND})
    except UsageError as wrong:
        raise UsageError(what=f"the run's config does not fit this swarm: {wrong}") from wrong
    return lab


def rebuild_blueprint(manifest: Mapping[str, object]) -> Blueprint:
    """Returns the blueprint of a run from its manifest alone; a corpus need not be there.

    Raises:
        UsageError: As ``rebuild_lab``.
    """
    lab = rebuild_lab(manifest)
    _expect_roster(lab, manifest.get("roster"))
    if lab.restore is None:
        return lab.build(Options())
    config = manifest["config"]
    assert isinstance(config, dict)
    return lab.restore(config)


def rebuild_earlier(manifest: Mapping[str, object]) -> list[Earlier]:
    """Returns what ran before a fork's barrier, and before its parent's, in order.

    Raises:
        UsageError: If the manifest of a fork does not say it.
    """
    found: list[Earlier] = []
    parent = manifest.get("parent")
    while parent is not None:
        try:
            one = msgspec.convert(parent, _Parent)
        except msgspec.ValidationError as wrong:
            what = f"the manifest of a fork does not say what its parent was: {wrong}"
            raise UsageError(what=what) from wrong
        blueprint = rebuild_blueprint({**manifest, "config": one.config})
        found.insert(0, Earlier(blueprint, one.barrier, one.dropped))
        parent = one.parent
    return found


def _expect_roster(lab: Lab, roster: object) -> None:
    """Checks before anything is built: a damaged number may ask for millions of actors."""
    roles = dict(getattr(lab.config, "roles", {}))
    n_actors = sum(n for _, n in roster) if isinstance(roster, list) else 0
    if sum(roles.values()) > max(n_actors, len(roles)):
        raise UsageError(what="the manifest is damaged: config and roster name different actors")

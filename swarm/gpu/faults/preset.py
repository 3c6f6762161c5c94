"""Presets by name: the files of ``presets/``, each with a ``HAZARD``."""

import importlib
import pkgutil

from swarm.errors import UsageError
from swarm.gpu.faults import presets
from swarm.gpu.faults.hazard import Hazard


def preset_names() -> tuple[str, ...]:
    """Returns the names of all presets, ascending."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(presets.__path__)))


def load_preset(name: str) -> Hazard:
    """Returns the hazard of a preset.

    Raises:
        UsageError: If none has that name, with the list.
    """
    if name not in preset_names():
        known = ", ".join(preset_names())
        raise UsageError(what=f"no preset of faults is named {name!r}; there are {known}")
    hazard = importlib.import_module(f"{presets.__name__}.{name}").HAZARD
    assert isinstance(hazard, Hazard)
    return hazard

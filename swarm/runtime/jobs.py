"""Carries out what actors ordered: finds the function of a job by its tag, or the mind by its name.

Tag ``<stage>.<name>`` means the function ``<name>`` of ``swarm.pipeline.<stage>.run``, or of
``.surrogate`` where the scenario asks for surrogates instead of real work. A mind called
``<name>`` is the class ``<Name>`` of ``swarm.minds.<name>``.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Literal, NamedTuple, cast

from swarm.comms.codec import tag_of
from swarm.errors import UsageError
from swarm.kernel.message import Message
from swarm.minds.mind import Mind
from swarm.pipeline.wire import codec
from swarm.pipeline.workbench import Workbench

Fidelity = Literal["real", "surrogate"]


class Task(NamedTuple):
    """A job (``mind`` empty) or a question for the mind of that name."""

    payload: bytes
    mind: str = ""
    fidelity: Fidelity = "real"


class Done(NamedTuple):
    """The answer's encoding, and what it cost."""

    payload: bytes
    cpu_seconds: float
    is_cached: bool = False


def execute(task: Task, bench: Workbench) -> Done:
    """Carries out one task in this process."""
    began = time.process_time()
    message = codec().decode(task.payload)
    if task.mind:
        answer = load_mind(task.mind).decide(message)
    else:
        answer = _function_of(tag_of(type(message)), task.fidelity)(message, bench)
    return Done(codec().encode(answer), time.process_time() - began)


def prepare(stages: Sequence[str], *, fidelity: Fidelity) -> None:
    """Imports what the jobs of some stages need, so that the first of them need not."""
    for stage in stages:
        _module_of(stage, fidelity)


@cache
def load_mind(name: str) -> Mind:
    """Returns the mind of that name.

    Raises:
        UsageError: If there is none.
    """
    try:
        module = importlib.import_module(f"swarm.minds.{name}")
    except ModuleNotFoundError as missing:
        if missing.name != f"swarm.minds.{name}":
            raise
        raise UsageError(what=f"no mind is named {name!r}; look into swarm/minds") from missing
    kind = getattr(module, "".join(part.capitalize() for part in name.split("_")))
    return cast("Mind", kind())


@cache
def _function_of(tag: str, fidelity: Fidelity) -> Callable[[Message, Workbench], Message]:
    stage, _, name = tag.rpartition(".")
    module = _module_of(stage, fidelity)
    return cast("Callable[[Message, Workbench], Message]", getattr(module, name))


def _module_of(stage: str, fidelity: Fidelity) -> ModuleType:
    file = "run" if fidelity == "real" else "surrogate"
    return importlib.import_module(f"swarm.pipeline.{stage}.{file}")

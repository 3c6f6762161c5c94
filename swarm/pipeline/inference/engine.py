"""What an engine is: it reads weights, and turns a batch of prompts into bytes.

An engine is the class ``<Name>`` of ``engines/<name>.py``; it is found by name, nothing is
registered. All engines choose each byte by the same rule (``choosing``) from the same uniform
numbers, so that two engines give the same answers, but where rounding decides (a near-tie).
"""

import importlib
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from swarm.errors import UsageError
from swarm.pipeline.inference.spec import ENGINES, DecoderSpec
from swarm.pipeline.pretraining.model import Transformer


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What is decoded at once. P prompts, S samples of each, N bytes at most."""

    prompts: tuple[bytes, ...]
    """Each at least one byte; prompt and answer fit the model's context."""
    uniforms: NDArray[np.float64]
    """(P, S, N) in [0, 1): decide byte N of sample S of prompt P. Not read at temperature 0."""
    temperature: float
    """0 takes the likeliest byte."""
    stop: int
    """The byte that ends an answer."""


class Engine(Protocol):
    """Turns prompts into bytes. Holds no state between batches but its weights."""

    def unavailable(self) -> str | None:
        """Returns why this engine cannot work on this machine, or nothing if it can."""

    def load(self, model: Transformer) -> None:
        """Takes over the weights as they are now; to be called again after they change."""

    def decode(self, batch: Batch) -> NDArray[np.uint8]:
        """Returns the bytes of every answer, (P, S, N); what follows a stop byte means nothing.

        Raises:
            RunFailedError: If the engine is not available.
        """


def open_engine(spec: DecoderSpec) -> Engine:
    """Returns a new engine with these settings, without weights.

    Raises:
        UsageError: If the settings make no sense. An engine that is not available is still
            returned: it says why.
    """
    if problem := spec.problem():
        raise UsageError(what=f"decoder: {problem}")
    module = importlib.import_module(f"swarm.pipeline.inference.engines.{spec.engine}")
    kind = getattr(module, spec.engine.capitalize())
    return cast("Engine", kind(spec))


def decoder(engine: str) -> DecoderSpec:
    """Returns the decoder with this engine and default settings.

    Raises:
        UsageError: If there is no such engine.
    """
    for name in ENGINES:
        if name == engine:
            return DecoderSpec(engine=name)
    raise UsageError(what=f"no engine is named {engine!r}; choose one of {', '.join(ENGINES)}")

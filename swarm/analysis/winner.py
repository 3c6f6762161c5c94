"""The last checkpoint of a run: where its weights are, and as a Hugging Face folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from swarm.analysis.run import Run
from swarm.errors import UsageError
from swarm.pipeline.workbench import MissingError, Workbench

if TYPE_CHECKING:
    from swarm.pipeline.inference.hugging_face import Written

CORPORA = Path(".cache/corpus")
"""Where labs keep corpora, seen from where they are started."""

_ANNOUNCED = "select payload from told where kind = 'ship.announced' order by seq"


class _Checkpoint(msgspec.Struct):
    """What is needed of a checkpoint's value; other fields are not looked at."""

    artifact: str
    base: str = ""
    """Of runs without post-training there is none."""


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The last checkpoint of a run."""

    generation: int
    parts: Mapping[str, str]
    """Of the ship that it sailed on, by name, as JSON text."""
    artifact: str
    pretrained: str
    """The artifact before post-training; the same where there was none."""
    bench: Workbench


def find_winner(run: Run, *, corpora: Path = CORPORA) -> Winner:
    """Returns the checkpoint that the last announced ship has.

    Raises:
        UsageError: If the run has no ship, no checkpoint or no real weights.
    """
    if run.manifest.get("config", {}).get("fidelity") == "surrogate":
        raise UsageError(
            what=f"{run.path} has no weights: its jobs were surrogates; run it with --fidelity real"
        )
    ships = run.sql(_ANNOUNCED)["payload"].to_list()
    if not ships:
        raise UsageError(what=f"{run.path} has no checkpoint: no ship is in its log")
    last = max(map(json.loads, ships), key=lambda one: int(one["generation"]))
    parts = dict(last["parts"])
    try:
        checkpoint = msgspec.json.decode(parts.get("checkpoint", "null"), type=_Checkpoint)
    except msgspec.DecodeError as wrong:
        raise UsageError(what=f"{run.path} has no checkpoint that can be read: {wrong}") from wrong
    bench = Workbench(corpus_dir=corpora, artifacts_dir=run.path / "artifacts")
    try:
        bench.get_artifact(checkpoint.artifact)
    except MissingError as missing:
        raise UsageError(
            what=f"{run.path} has no weights of its last checkpoint: {missing}"
        ) from missing
    return Winner(
        generation=int(last["generation"]),
        parts=parts,
        artifact=checkpoint.artifact,
        pretrained=checkpoint.base or checkpoint.artifact,
        bench=bench,
    )


def write_weights(winner: Winner, artifact: str, folder: Path) -> "Written":
    """Writes an artifact as a Hugging Face folder.

    Raises:
        RunFailedError: If the weights are damaged or the disk refuses.
        MissingError: If the run does not have that artifact.
    """
    from swarm.pipeline.inference.hugging_face import write_checkpoint  # noqa: PLC0415  torch
    from swarm.pipeline.pretraining.run import decode_checkpoint  # noqa: PLC0415  torch

    model = decode_checkpoint(winner.bench.get_artifact(artifact))
    return write_checkpoint(model, folder)

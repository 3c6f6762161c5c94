"""What stands in the terms and results of contracts, by task; JSON text on the wire.

``evaluate``   score checkpoints, or values of other parts, on a sealed benchmark
``build``      make an environment that passes its gates and teaches what is examined
``replicate``  train a claimed value on fresh seeds and judge it against the ship's base arm
"""

from typing import Literal, TypeVar

import msgspec

from swarm.errors import WireError
from swarm.pipeline.disciplines import Benchmark
from swarm.pipeline.posttraining.environments.environment import EnvSpec

T = TypeVar("T")

EVALUATE = "evaluate"
REPLICATE = "replicate"
BUILD = "build"

REVIEW_ADVANCE_PERCENT = 90
"""Share of a review's price paid at once: a reviewer pays for GPUs before it has a result."""


class EvaluateTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is scored, by which benchmark, and the seed that chooses the blocks."""

    artifacts: tuple[str, ...]
    """Hashes of models; for a benchmark that scores values of a part, those values."""
    seed: int
    benchmark: Benchmark = "bpb"
    model: str = ""
    """Artifact of the model that is decoded from, where decoders are scored."""
    rival: str = ""
    """Value that decoders are held against."""


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The loss of one subject by the benchmark asked for, and its losses block by block.

    Fields are called after the first benchmark, bits per byte.
    """

    artifact: str
    bpb: float
    block_bpb: tuple[float, ...]
    """Of a decoder: the bounds of an interval around its loss, and the loss between them."""
    refusal: str = ""
    """Why the subject must not replace what it is held against; empty if nothing forbids it."""


class EvaluateResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A score for each artifact, in the order of the terms."""

    scores: tuple[Score, ...]


class ReplicateTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A claim: this value of this part beats the ship it was tried on."""

    part: str
    value: str
    base: str
    """Manifest hash of that ship."""
    parts: tuple[tuple[str, str], ...]
    """That ship's parts, (name, value) pairs."""
    base_bpb: tuple[float, ...]
    """Its own losses on fresh seeds, by the part's benchmark; empty where none are needed."""


class ReplicateResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reviewer's verdict; gains in the unit of the part's benchmark, positive is better."""

    decision: Literal["accept", "reject"]
    gain_bpb: float
    gain_low_bpb: float
    gain_high_bpb: float
    n: int
    reason: str


class BuildTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the ship practises on, and what models are examined on."""

    current: tuple[EnvSpec, ...]
    wanted: tuple[EnvSpec, ...]


class BuildResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The environment."""

    environment: EnvSpec


Terms = EvaluateTerms | EvaluateResult | ReplicateTerms | ReplicateResult | BuildTerms | BuildResult


def to_json(terms: Terms) -> str:
    """Returns the JSON text that goes into a message."""
    return msgspec.json.encode(terms).decode()


def evaluate_terms(text: str) -> EvaluateTerms:
    """Reads and checks the terms of an ``evaluate`` contract."""
    return _read(text, EvaluateTerms)


def evaluate_result(text: str) -> EvaluateResult:
    """Reads and checks the result of an ``evaluate`` contract."""
    return _read(text, EvaluateResult)


def replicate_terms(text: str) -> ReplicateTerms:
    """Reads and checks the terms of a ``replicate`` contract."""
    return _read(text, ReplicateTerms)


def replicate_result(text: str) -> ReplicateResult:
    """Reads and checks the result of a ``replicate`` contract."""
    return _read(text, ReplicateResult)


def build_terms(text: str) -> BuildTerms:
    """Reads and checks the terms of a ``build`` contract."""
    return _read(text, BuildTerms)


def build_result(text: str) -> BuildResult:
    """Reads and checks the result of a ``build`` contract."""
    return _read(text, BuildResult)


def _read(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as wrong:
        raise WireError(
            where="terms of a contract", expected=kind.__name__, came=f"{text:.200} ({wrong})"
        ) from wrong

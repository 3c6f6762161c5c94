"""What stands in the terms and results of contracts, by task; JSON text on the wire.

``evaluate``   score checkpoints on the sealed benchmark
``replicate``  train a claimed value on fresh seeds and judge it against the ship's base arm
"""

from typing import Literal, TypeVar

import msgspec

from swarm.errors import WireError

T = TypeVar("T")

EVALUATE = "evaluate"
REPLICATE = "replicate"

REVIEW_ADVANCE_PERCENT = 90
"""Share of a review's price paid at once: a reviewer pays for GPUs before it has a result."""


class EvaluateTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which checkpoints, and the seed that chooses the blocks they are scored on."""

    artifacts: tuple[str, ...]
    seed: int


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One checkpoint's sealed score in bits per byte, and its scores block by block."""

    artifact: str
    bpb: float
    block_bpb: tuple[float, ...]


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
    """Its measured base arm."""


class ReplicateResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reviewer's verdict; gains in bits per byte, positive is better."""

    decision: Literal["accept", "reject"]
    gain_bpb: float
    gain_low_bpb: float
    gain_high_bpb: float
    n: int
    reason: str


Terms = EvaluateTerms | EvaluateResult | ReplicateTerms | ReplicateResult


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


def _read(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as wrong:
        raise WireError(
            where="terms of a contract", expected=kind.__name__, came=f"{text:.200} ({wrong})"
        ) from wrong

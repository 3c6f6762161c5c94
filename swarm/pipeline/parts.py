"""The fourteen parts of the ship, and what a version of one is: a value addressed by its content.

Values are opaque here, canonical JSON text; what they mean stands with the work of their stage.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from swarm.errors import UsageError
from swarm.units import Ticks

Stage: TypeAlias = Literal["pre-training", "post-training", "inference", "harness"]


class Part(NamedTuple):
    """One plank of the ship."""

    name: str
    stage: Stage
    changes: str
    """What actors can change about it, for people."""


PARTS: tuple[Part, ...] = (
    Part("mixture", "pre-training", "weights over domains"),
    Part("filter", "pre-training", "which documents are dropped, and by which threshold"),
    Part("synthetic", "pre-training", "paraphrases and generated facts, and how much of them"),
    Part("curriculum", "pre-training", "the order of documents"),
    Part("objective", "pre-training", "what is predicted, and auxiliary losses"),
    Part("architecture", "pre-training", "the grammar of blocks, width against depth"),
    Part("optimizer", "pre-training", "update rule, rate, schedule, batch"),
    Part("sft", "post-training", "sources of trajectories, amount, epochs"),
    Part("environments", "post-training", "which environments, at which difficulty"),
    Part("reward", "post-training", "outcome or step credit, horizon, shaping"),
    Part("rl", "post-training", "algorithm, group, rate, staleness"),
    Part("decoder", "inference", "cache, batching, attention, quantisation, kernels, speculation"),
    Part("notebook", "harness", "what is written down, recalled, distilled, dropped"),
    Part("checkpoint", "harness", "the weights, and with them the mind that proposes experiments"),
)
PART_NAMES: tuple[str, ...] = tuple(part.name for part in PARTS)
STAGE_OF: Mapping[str, Stage] = {part.name: part.stage for part in PARTS}


class PartVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One content-addressed version of a part; the same value is the same version for ever."""

    part: str
    value: str
    """Canonical JSON text."""
    hash: str
    """Of part and value: 32 hexadecimal digits."""
    author: str
    """Who first brought this value aboard."""
    evidence: tuple[str, ...] = ()
    """References to findings and jobs that spoke for it."""
    ancestors: tuple[str, ...] = ()
    """Hashes of what it was made from; first the version it replaced."""
    generation: int = 0
    """One more than the version it first replaced; 0 for the original."""
    born_at: Ticks


def expect_part(part: str) -> None:
    """Raises ``UsageError``, listing the table, if there is no part of that name."""
    if part not in STAGE_OF:
        names = ", ".join(PART_NAMES)
        raise UsageError(what=f"the ship has no part {part!r}, its parts are {names}")


def version_hash(part: str, value: str) -> str:
    """Returns the hash of a version: of its part's name and its value as canonical JSON text."""
    return content_hash(f"{part}\0{value}")


def canonical_json(text_or_obj: object) -> str:
    """Returns the one JSON text of a value: sorted keys, no spaces, ASCII, integral floats whole.

    Args:
        text_or_obj: A ``str`` or ``bytes`` is JSON text and is parsed; a msgspec Struct or builtin
            is encoded as it stands.

    Raises:
        UsageError: If it is not JSON, or holds NaN or an infinity.

    Source:
        The idea of RFC 8785 (JSON Canonicalization Scheme). Deviation: numbers and escapes are
        written as Python writes them.
    """
    try:
        if isinstance(text_or_obj, str | bytes):
            tree = json.loads(text_or_obj)
        else:
            tree = msgspec.to_builtins(text_or_obj)
        return json.dumps(
            _whole(tree), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(what=f"the value of a part must be JSON: {error}") from error


def content_hash(text: str) -> str:
    """Returns the first 128 bits of BLAKE2b of a text, as 32 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _whole(tree: object) -> object:
    """Returns the tree with floats that are integers as integers: 1.0 and 1 are one value."""
    if isinstance(tree, dict):
        return {key: _whole(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_whole(value) for value in tree]
    if isinstance(tree, float) and tree.is_integer() and abs(tree) < 2**53:
        return int(tree)
    return tree

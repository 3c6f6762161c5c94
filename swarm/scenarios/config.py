"""Scenario configs: frozen pydantic models, and how ``--set`` and ``--role`` change them."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from swarm.errors import UsageError
from swarm.units import Ticks

ConfigT = TypeVar("ConfigT", bound=BaseModel)

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Config(BaseModel):
    """Base of all scenario configs: frozen, strict about unknown keys, documented fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True
    )

    seed: int = 0
    """The seed of every random stream; the same seed gives the same digests."""


def configure(kind: type[ConfigT], overrides: Mapping[str, object]) -> ConfigT:
    """Builds a config from overrides whose keys may be dotted paths.

    Raises:
        UsageError: For an unknown key or a value that does not fit, in one sentence.
    """
    nested: dict[str, Any] = {}  # Any: JSON
    for key, value in overrides.items():
        inner = nested
        *path, last = key.split(".")
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UsageError(what=f"--set {key}: {part!r} was already set to a single value")
        inner[last] = value
    try:
        return kind.model_validate(_merge(kind().model_dump(), nested))
    except ValidationError as wrong:
        raise UsageError(what=_sentence(kind, wrong)) from wrong


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """Reads ``key=value`` arguments.

    Raises:
        UsageError: If one has no ``=``.
    """
    found: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UsageError(what=f"--set {setting!r}: expected key=value")
        found[key] = value
    return found


def parse_counts(counts: Sequence[str], known: Mapping[str, int]) -> dict[str, int]:
    """Reads ``role=count`` arguments.

    Raises:
        UsageError: For an unknown role or a count that is not a whole number of at least 0.
    """
    found: dict[str, int] = {}
    for argument in counts:
        role, equals, number = argument.partition("=")
        if not equals or not re.fullmatch(r"\d+", number):
            raise UsageError(
                what=f"--role {argument!r}: expected role=count with a count of at least 0"
            )
        if role not in known:
            raise UsageError(what=f"--role {role!r} is unknown; roles are {', '.join(known)}")
        found[role] = int(number)
    return found


def parse_duration(text: str) -> Ticks:
    """Reads virtual time: ``30d``, ``12h``, ``90m``, ``45s``, or plain seconds.

    Raises:
        UsageError: If it is none of these, or not above zero.
    """
    match = re.fullmatch(r"(\d+)([smhd]?)", text)
    ticks = int(match[1]) * _UNITS[match[2] or "s"] if match else 0
    if ticks <= 0:
        raise UsageError(what=f"--until {text!r}: expected a duration such as 30d, 12h or 90m")
    return Ticks(ticks)


def _merge(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        is_section = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merge(old, value) if is_section else value  # type: ignore[arg-type]
    return merged


def _sentence(kind: type[BaseModel], wrong: ValidationError) -> str:
    first = wrong.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _keys(kind)
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"unknown key {key!r}; {hint}keys are {', '.join(known)}"
    return f"key {key!r}: {first['msg'][:1].lower()}{first['msg'][1:]}, came {first['input']!r}"


def _keys(kind: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += _keys(inner, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys

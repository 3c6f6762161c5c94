"""Scenario configs: frozen pydantic models, and how ``--set`` and ``--role`` change them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from swarm.errors import UsageError
from swarm.units import Ticks

ConfigT = TypeVar("ConfigT", bound=BaseModel)
Key: TypeAlias = tuple[str, ...]
"""A dotted key, cut at its dots."""
Leaf: TypeAlias = tuple[Key, object]
"""A field and what it is set to."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WANTS_TEXT = ("string_type", "path_type", "tuple_type")


class SnapshotConfig(BaseModel):
    """How often a run is put on disk, so that it can go on from there. Changes nothing else."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    every: int = Field(default=1, ge=0)
    """Virtual seconds between two snapshots, at least; 0 for none at all."""
    cpu_percent: float = Field(default=2.0, gt=0, le=100)
    """The most that they may cost, as a share of the time between them."""


class Config(BaseModel):
    """Base of all scenario configs: frozen, strict about unknown keys, documented fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    seed: int = 0
    """The seed of every random stream; the same seed gives the same digests."""
    snapshots: SnapshotConfig = SnapshotConfig()
    """From where a run that was stopped goes on."""


def configure(kind: type[ConfigT], overrides: Mapping[str, object]) -> ConfigT:
    """Builds a config from overrides whose keys may be dotted paths.

    A text that is a JSON number, list or object counts as that, unless its field wants text. An
    object changes a section key by key, and replaces a field that is a plain dict.

    Raises:
        UsageError: For an unknown key or a value that does not fit, in one sentence.
    """
    texts = {tuple(key.split(".")): it for key, it in overrides.items() if isinstance(it, str)}
    leaves = [
        leaf
        for key, value in overrides.items()
        for leaf in _leaves(kind, tuple(key.split(".")), _decode(value))
    ]
    values = kind().model_dump()
    for path, value in leaves:
        _redraw(kind, values, path, value)
    for path, value in leaves:
        _assign(values, path, value)
    try:
        return _validate(kind, values, texts)
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
        if not equals or not re.fullmatch(r"[0-9]{1,12}", number):
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
    match = re.fullmatch(r"([0-9]{1,12})([smhd]?)", text)
    ticks = int(match[1]) * _UNITS[match[2] or "s"] if match else 0
    if ticks <= 0:
        raise UsageError(what=f"--until {text!r}: expected a duration such as 30d, 12h or 90m")
    return Ticks(ticks)


def expect_roles(roles: Mapping[str, int], known: Mapping[str, int]) -> None:
    """Raises ``ValueError`` for a role that the scenario does not know; for validators."""
    for role in roles:
        if role not in known:
            raise ValueError(f"role {role!r} is unknown; roles are {', '.join(known)}")


def _decode(value: object) -> object:
    """Returns what a text stands for: a JSON number, list or object, otherwise the text itself.

    Booleans stay text: fields that are one read it, and to a number ``True`` would count as 1.
    """
    if not isinstance(value, str):
        return value
    try:
        decoded: object = json.loads(value)
    except (ValueError, RecursionError):
        return value
    is_kept = decoded is None or isinstance(decoded, bool | str)
    return value if is_kept else decoded


def _leaves(kind: type[BaseModel] | None, path: Key, value: object) -> Iterator[Leaf]:
    """Yields the fields that an override sets; an object in place of a section sets several."""
    inner = _section(kind, path)
    if inner is None or not isinstance(value, Mapping):
        yield path, value
        return
    for key, one in value.items():
        for below, leaf in _leaves(inner, (key,), one):
            yield (*path, *below), leaf


def _section(kind: type[BaseModel] | None, path: Key) -> type[BaseModel] | None:
    """Returns the model at a path, None if there is no section."""
    for part in path:
        field = kind.model_fields.get(part) if kind else None
        inner = field.annotation if field else None
        kind = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return kind


def _redraw(kind: type[BaseModel], values: dict[str, Any], path: Key, value: object) -> None:
    """Draws the default anew that depends on the field which is set."""
    section = _section(kind, path[:-1])
    follower = getattr(section, "FOLLOWERS", {}).get(path[-1])
    if section is not None and follower is not None:
        for part in path[:-1]:
            values = values[part]
        values[follower] = section.model_fields[follower].get_default(
            call_default_factory=True, validated_data={path[-1]: value}
        )


def _assign(values: dict[str, Any], path: Key, value: object) -> None:  # Any: JSON
    inner = values
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(what=f"--set {'.'.join(path)}: {part!r} is a single value")
    inner[path[-1]] = value


def _validate(
    kind: type[ConfigT],
    values: dict[str, Any],  # Any: JSON
    texts: Mapping[Key, str],
) -> ConfigT:
    """Validates; a field that wants text, or a list of it, gets the text that was given."""
    try:
        return kind.model_validate(values)
    except ValidationError as wrong:
        wanted = {_names(error): error["type"] for error in wrong.errors()}
        again = [path for path in texts if wanted.get(path) in _WANTS_TEXT]
        if not again:
            raise
    for path in again:
        text = texts[path]
        _assign(values, path, [text] if wanted[path] == "tuple_type" else text)
    return kind.model_validate(values)


def _names(error: ErrorDetails) -> Key:
    return tuple(str(part) for part in error["loc"])


def _sentence(kind: type[BaseModel], wrong: ValidationError) -> str:
    first = wrong.errors()[0]
    if first["type"] == "value_error" and not first["loc"]:
        return str(first["ctx"]["error"])
    key = ".".join(_names(first))
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

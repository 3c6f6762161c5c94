"""What readers of a run need from its manifest, checked: anybody may have edited the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from swarm.comms.digest import MAX_CELLS
from swarm.errors import UsageError

MAX_ACTORS = 10_000_000
"""Actors of one role; a number above this is damage rather than a lab."""

Count = Annotated[int, msgspec.Meta(ge=0)]


class Host(msgspec.Struct, frozen=True):
    """Where it ran."""

    shards: Annotated[int, msgspec.Meta(ge=1, le=MAX_CELLS)] = 1


class Summary(msgspec.Struct, frozen=True):
    """How it ended."""

    messages: Count = 0
    digest_control: str = ""
    digest_payload: str = ""


class Facts(msgspec.Struct, frozen=True):
    """A manifest; keys that are not here are for people."""

    scenario: str
    status: str
    seed: int
    config: dict[str, Any]  # Any: JSON
    roster: list[tuple[str, Annotated[int, msgspec.Meta(ge=0, le=MAX_ACTORS)]]]
    schema_version: int
    host: Host = Host()
    versions: dict[str, str] = {}
    summary: Summary = Summary()

    @property
    def is_whole(self) -> bool:
        """Whether the run came to its end, so that all messages should be in its log."""
        return self.status == "ok" and self.summary.messages > 0


def facts_of(manifest: Mapping[str, object], path: Path) -> Facts:
    """Returns the facts of a manifest.

    Raises:
        UsageError: If one is missing or not what it should be.
    """
    try:
        return msgspec.convert(dict(manifest), Facts)
    except msgspec.ValidationError as wrong:
        raise UsageError(what=f"{path} is damaged: {wrong}") from wrong

"""The ship: fourteen parts, each a content-addressed version with author, evidence and ancestors.

The ship is state, not an actor: one msgspec Struct that its keeper holds and a snapshot encodes.
Nothing is ever forgotten: every version that ever sailed can be put back, generation 0 above all,
and the ledger tells every swap and rollback in order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from swarm.errors import SwarmError, UsageError
from swarm.pipeline.parts import (
    PART_NAMES,
    PartVersion,
    canonical_json,
    content_hash,
    expect_part,
    version_hash,
)
from swarm.units import Ticks


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the ledger keeps of the test behind a change; the defaults say that none was made."""

    gain_bpb: float = 0.0
    """Mean gain in bits per byte, positive is better; for a rollback, of going back."""
    low_bpb: float = 0.0
    high_bpb: float = 0.0
    n_replications: int = 0
    """Runs on fresh seeds in the deciding arm."""
    replicators: tuple[str, ...] = ()
    contract: str = ""
    refs: tuple[str, ...] = ()
    """References to findings and jobs."""


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of the ship."""

    kind: Literal["swap", "rollback"]
    tick: Ticks
    part: str
    old: str
    """Hash of the version that was current before."""
    new: str
    """Hash of the version that is current after."""
    author: str
    """Who proposed the swap, or asked for the rollback."""
    evidence: Evidence
    reason: str = ""


@dataclass(eq=False, kw_only=True)
class SwapRefusedError(SwarmError):
    """A swap or rollback that the ship cannot make; the ship is as it was."""

    part: str
    author: str
    why: str

    def __str__(self) -> str:
        return f"{self.author} cannot change part {self.part!r} of the ship: {self.why}"


class Ship(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The current version of every part, every version ever, and the ledger.

    Make the first one with ``launch``. A refused change raises ``SwapRefusedError`` and leaves
    everything as it was.
    """

    versions: dict[str, PartVersion]
    """Every version that was ever current, by hash."""
    lines: dict[str, list[str]]
    """For each part the hashes from the original to the current version; a rollback pops one."""
    ledger: list[LedgerEntry] = []

    def current(self, part: str) -> PartVersion:
        """Returns the version of the part that sails now. Raises ``UsageError`` if no such part."""
        return self.versions[self._line(part)[-1]]

    def original(self, part: str) -> PartVersion:
        """Returns generation 0 of the part. Raises ``UsageError`` if there is no such part."""
        return self.versions[self._line(part)[0]]

    def values(self) -> dict[str, str]:
        """Returns the current value of every part, as canonical JSON text, in table order."""
        return {part: self.current(part).value for part in PART_NAMES}

    def swap(
        self,
        part: str,
        value: object,
        *,
        base: str,
        author: str,
        tick: Ticks,
        evidence: Evidence = Evidence(),  # noqa: B008 - frozen
        ancestors: tuple[str, ...] = (),
    ) -> PartVersion:
        """Makes a value the current version of its part.

        A value that was aboard before is the same version again, of the same generation.

        Args:
            part: A name of the table.
            value: JSON text, or anything that ``canonical_json`` takes.
            base: Hash of the version that the evidence speaks about: it must still be current.
            author: Who made the value.
            tick: Virtual time of the swap.
            evidence: What the gate said.
            ancestors: Hashes of further versions, of any part, that the value was made from.

        Raises:
            SwapRefusedError: Unknown part, value that is not JSON, value equal to the current one,
                or stale base.
        """
        old = self._expect_current(part, base, author)
        try:
            text = canonical_json(value)
        except UsageError as error:
            raise SwapRefusedError(part=part, author=author, why=error.what) from error
        digest = version_hash(part, text)
        if digest == old.hash:
            raise SwapRefusedError(part=part, author=author, why="the value is the current one")
        if digest not in self.versions:
            self.versions[digest] = PartVersion(
                part=part,
                value=text,
                hash=digest,
                author=author,
                evidence=evidence.refs,
                ancestors=(old.hash, *ancestors),
                generation=old.generation + 1,
                born_at=tick,
            )
        self.lines[part].append(digest)
        entry = LedgerEntry(
            kind="swap",
            tick=tick,
            part=part,
            old=old.hash,
            new=digest,
            author=author,
            evidence=evidence,
        )
        self.ledger.append(entry)
        return self.versions[digest]

    def rollback(
        self,
        part: str,
        reason: str,
        *,
        base: str,
        author: str,
        tick: Ticks,
        evidence: Evidence = Evidence(),  # noqa: B008 - frozen
    ) -> PartVersion:
        """Puts back the version that the current one replaced; again, and it goes further back.

        Args:
            part: A name of the table.
            reason: One sentence for the ledger.
            base: Hash of the version to be removed: it must still be current.
            author: Who asked for it.
            tick: Virtual time of the rollback.
            evidence: What the gate said about the regression.

        Raises:
            SwapRefusedError: Unknown part, stale base, or nothing before the current version.
        """
        old = self._expect_current(part, base, author)
        line = self.lines[part]
        if len(line) == 1:
            raise SwapRefusedError(part=part, author=author, why="it is still at generation 0")
        line.pop()
        entry = LedgerEntry(
            kind="rollback",
            tick=tick,
            part=part,
            old=old.hash,
            new=line[-1],
            author=author,
            evidence=evidence,
            reason=reason,
        )
        self.ledger.append(entry)
        return self.versions[line[-1]]

    def lineage(self, part: str) -> list[PartVersion]:
        """Returns the versions of the part from the original to the current one.

        What was rolled back is not among them; the ledger has it. Raises ``UsageError``.
        """
        return [self.versions[digest] for digest in self._line(part)]

    def manifest(self) -> dict[str, str]:
        """Returns the hash of every current version by part, in table order."""
        return {part: self.current(part).hash for part in PART_NAMES}

    def manifest_hash(self) -> str:
        """Returns one hash of the whole ship: equal for equal values of all fourteen parts."""
        return content_hash(canonical_json(self.manifest()))

    def n_left_of_original(self) -> int:
        """Returns how many parts have the value they were launched with."""
        return sum(self.current(part).generation == 0 for part in PART_NAMES)

    def share_of_original(self) -> float:
        """Returns ``n_left_of_original`` as a fraction, from 1 at the launch down to 0."""
        return self.n_left_of_original() / len(PART_NAMES)

    def _line(self, part: str) -> list[str]:
        expect_part(part)
        return self.lines[part]

    def _expect_current(self, part: str, base: str, author: str) -> PartVersion:
        try:
            current = self.current(part)
        except UsageError as error:
            raise SwapRefusedError(part=part, author=author, why=error.what) from error
        if base != current.hash:
            why = f"its base {base} is not the current version {current.hash}; test it on that one"
            raise SwapRefusedError(part=part, author=author, why=why)
        return current


def launch(values: Mapping[str, object], *, author: str = "generation-0") -> Ship:
    """Returns a ship at generation 0, with a value for each of the fourteen parts.

    Raises:
        UsageError: If a part is missing or unknown, or a value is not JSON.
    """
    missing = [part for part in PART_NAMES if part not in values]
    if missing:
        raise UsageError(what=f"a ship has fourteen parts, these have no value: {missing}")
    for part in values:
        expect_part(part)
    ship = Ship(versions={}, lines={})
    for part in PART_NAMES:
        text = canonical_json(values[part])
        digest = version_hash(part, text)
        ship.lines[part] = [digest]
        ship.versions[digest] = PartVersion(
            part=part, value=text, hash=digest, author=author, born_at=Ticks(0)
        )
    return ship

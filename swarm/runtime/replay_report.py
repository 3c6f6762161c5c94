"""What a replay found, for people and for programs."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from swarm.runtime.console import clock

TEXT_WIDTH = 240
"""Characters of a payload on a line."""

LEAD_WIDTH = 60
"""Characters of a payload before the place where two differ."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One message for people: numbers became names."""

    seq: int | None
    """Its sequence number; None if it is not on record."""
    id: int
    due: int
    phase: int
    sent: int
    sender: str
    recipient: str
    cause: int
    kind: str
    contract: str | None
    payload: str

    def line(self, *, shown_from: int = 0) -> str:
        """Renders it on one line, the payload from a place on."""
        number = "not on record" if self.seq is None else f"#{self.seq}"
        who = self.sender if self.sender == self.recipient else f"{self.sender} -> {self.recipient}"
        text = self.payload[shown_from : shown_from + TEXT_WIDTH]
        text = ("..." if shown_from else "") + text
        text += "..." if shown_from + TEXT_WIDTH < len(self.payload) else ""
        return f"{clock(self.due)}  {number}  {who}  {self.kind}  cause {self.cause}  {text}"


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """The first message in which record and replay part."""

    seq: int
    """Its sequence number; of a message that is not on record, the one it would have."""
    due: int
    actor: str
    """Who sent it, or should have."""
    what: str
    expected: Told | None
    """As it is on record; None if it is not."""
    produced: Told | None
    """As the replay made it; None if it did not."""
    because: Told | None
    """What the actor was handling."""
    before: tuple[Told, ...]
    """The last messages that the actor got before that, ascending."""

    def lines(self) -> Iterator[str]:
        """Renders it for people."""
        yield f"first divergent message: #{self.seq}, {self.actor}, {clock(self.due)}: {self.what}"
        at = self._differ_at()
        yield f"  expected  {self.expected.line(shown_from=at) if self.expected else 'nothing'}"
        yield f"  produced  {self.produced.line(shown_from=at) if self.produced else 'nothing'}"
        if self.because is not None:
            yield f"  handling  {self.because.line()}"
        for i, told in enumerate(self.before):
            yield f"  {'before it' if i == 0 else '         '} {told.line()}"

    def _differ_at(self) -> int:
        if self.expected is None or self.produced is None:
            return 0
        pairs = zip(self.expected.payload, self.produced.payload, strict=False)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), 0)
        return max(0, at - LEAD_WIDTH)


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How a replay ended."""

    run: str
    verdict: Literal["ok", "diverged", "damaged"]
    messages: int
    """Messages on record that were compared and are equal."""
    upto: int | None
    """All that is due before this tick was compared; None for the whole run."""
    why_upto: str
    """What ended the part that could be compared; empty for the whole run."""
    actor: str | None
    """The one actor that was replayed; None for all."""
    answers: int
    """Answers of jobs and minds that were taken from the journal."""
    notebooks: int
    """Notebooks that hold what was noted."""
    digests: Literal["equal", "differ", "not compared"]
    problems: tuple[str, ...]
    """One sentence for everything that is damaged or missing."""
    divergence: Divergence | None
    written_by: Mapping[str, str]
    replayed_by: Mapping[str, str]
    cpu_seconds: float

    @property
    def exit_code(self) -> int:
        """0 ok, 1 if something is damaged and the rest is verified, 3 if the replay diverged."""
        return {"ok": 0, "damaged": 1, "diverged": 3}[self.verdict]

    def sentence(self) -> str:
        """Says in one line what was verified."""
        whose = f"of {self.actor} " if self.actor else ""
        extent = "the whole run" if self.upto is None else f"up to {clock(self.upto)}"
        why = f" ({self.why_upto})" if self.why_upto else ""
        digests = {"equal": ", digests equal", "differ": ", digests differ", "not compared": ""}
        return (
            f"{self.verdict}: {self.messages:,} messages {whose}verified, {extent}{why}, with"
            f" {self.answers:,} answers from the journal{digests[self.digests]};"
            f" {self.cpu_seconds:.2f} CPU-s"
        )

    def lines(self) -> list[str]:
        """Renders the report."""
        found = [self.sentence()]
        if self.divergence is not None:
            found += self.divergence.lines()
        if self.verdict == "diverged":
            found.append(
                f"  written by {_by(self.written_by)}; replayed by {_by(self.replayed_by)}"
            )
        return found

    def as_object(self) -> dict[str, object]:
        """Returns JSON values."""
        facts: dict[str, object] = msgspec.to_builtins(self)
        return facts


def _by(versions: Mapping[str, str]) -> str:
    code = versions.get("code", "unknown")
    return f"swarm {versions.get('swarm', 'unknown')}, code {code[:12]}"

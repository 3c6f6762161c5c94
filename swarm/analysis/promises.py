"""Promises: a measured figure, what was promised of it, and whether that holds.

Every script in ``benchmarks/`` prints one ``Report``; ``python -m swarm bench`` gathers them.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure."""

    what: str
    value: float
    unit: str
    promise: float | None = None
    """None for a figure that is only reported."""
    is_better: Literal["above", "below"] = "above"
    """On which side of the promise a figure keeps it; equal keeps it too."""

    @property
    def holds(self) -> bool | None:
        """Whether the promise is kept; None where nothing was promised."""
        if self.promise is None:
            return None
        return (
            self.value >= self.promise if self.is_better == "above" else self.value <= self.promise
        )

    def line(self) -> str:
        """Renders the figure for people."""
        text = f"{self.what}: {_number(self.value)} {self.unit}".rstrip()
        if self.promise is None:
            return text
        side = "at least" if self.is_better == "above" else "at most"
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        return f"{text} (promise: {side} {_number(self.promise)}): {verdict}"


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one benchmark found."""

    benchmark: str
    figures: tuple[Figure, ...] = ()
    skipped: str = ""
    """Why nothing was measured; empty if something was."""
    facts: dict[str, str] = {}
    """What one needs to know to read the figures."""

    @property
    def holds(self) -> bool:
        """Whether no promise is broken."""
        return all(figure.holds is not False for figure in self.figures)

    def lines(self) -> list[str]:
        """Renders the report for people."""
        if self.skipped:
            return [f"{self.benchmark}: skipped, {self.skipped}"]
        facts = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        head = f"{self.benchmark} ({facts})" if facts else self.benchmark
        return [head, *(f"  {figure.line()}" for figure in self.figures)]

    def as_object(self) -> dict[str, object]:
        """Returns JSON values, verdicts included."""
        figures = [{**msgspec.to_builtins(one), "holds": one.holds} for one in self.figures]
        return {**msgspec.to_builtins(self), "figures": figures, "holds": self.holds}


def read_report(text: str | bytes) -> Report:
    """Reads what ``as_object`` gave, as JSON text.

    Raises:
        msgspec.DecodeError: If it is not that.
    """
    found = msgspec.json.decode(text, type=dict[str, object])
    found.pop("holds", None)
    figures = found.pop("figures", [])
    assert isinstance(figures, list)
    for figure in figures:
        figure.pop("holds", None)
    return msgspec.convert({**found, "figures": figures}, Report)


def median(values: Sequence[float]) -> float:
    """Returns the middle value, the lower one of two."""
    return sorted(values)[(len(values) - 1) // 2]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"

"""What every section of the report needs of a run: its end, the colours of roles, time in bins."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from swarm.analysis.causes import Causes
from swarm.analysis.emergent import Pipeline, mine
from swarm.analysis.report.markup import Child, Markup, element
from swarm.analysis.run import Run

N_BINS = 120
"""Stretches of virtual time in a picture of rates."""


@dataclass(frozen=True)
class View:
    """A run as the report sees it."""

    run: Run

    @cached_property
    def end(self) -> int:
        """Last tick in which something happened."""
        return int(self.run.sql("select coalesce(max(due), 0) from messages").item())

    @cached_property
    def colours(self) -> dict[str, int]:
        """A colour for each role, in the order of the roster."""
        return {role: at for at, (role, _) in enumerate(self.run.roster.counts)}

    @cached_property
    def bin_ticks(self) -> int:
        """Length of a bin, ticks."""
        return max(1, -(-(self.end + 1) // N_BINS))

    @cached_property
    def bins(self) -> list[int]:
        """Edges of the bins, one more than there are bins."""
        n = -(-(self.end + 1) // self.bin_ticks)
        return [at * self.bin_ticks for at in range(n + 1)]

    @cached_property
    def causes(self) -> Causes:
        """The causes of the log, which several sections walk along."""
        return Causes(self.run)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The emergent pipeline."""
        return mine(self.run, self.causes)

    @cached_property
    def parts(self) -> pl.DataFrame:
        """Swaps and rollbacks, as ``run.parts``."""
        return self.run.parts

    def role(self, actor: str | None) -> str:
        """Returns the role of an actor; its own name where there is no such actor."""
        return (actor or "nobody").rpartition("-")[0] or str(actor)

    def colour(self, actor: str | None) -> int:
        """Returns the colour of an actor's role."""
        return self.colours.get(self.role(actor), len(self.colours))


def section(anchor: str, title: str, lede: str, *children: Child | Sequence[Child]) -> Markup:
    """Makes a section that can be linked to."""
    intro = element("p", lede, class_="lede") if lede else None
    return element("section", element("h2", title), intro, *children, id=anchor)


def empty(text: str) -> Markup:
    """Says that there is nothing to show, and why."""
    return element("p", text, class_="soft")

"""Progress for a human: a live view on a terminal, a plain line now and then elsewhere.

Everything goes to standard error; nothing here is read back by the lab.
"""

import sys
import time

from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table

from swarm.runtime.blueprint import Blueprint
from swarm.runtime.coordinator import Progress
from swarm.runtime.desk import Desk

_PLAIN_EVERY = 5.0
_LIVE_EVERY = 0.2


class Console:
    """Shows where a run stands.

    Args:
        blueprint: Names the scenario and the horizon.
        is_live: False shows nothing at all.
    """

    def __init__(self, blueprint: Blueprint, *, is_live: bool) -> None:
        self._blueprint = blueprint
        self._is_shown = is_live
        self._terminal = Terminal(stderr=True)
        self._live: Live | None = None
        self._began = time.monotonic()
        self._shown_at = 0.0
        self.first_window_after: float | None = None
        if is_live and self._terminal.is_terminal:
            self._live = Live(console=self._terminal, auto_refresh=False, transient=True)
            self._live.start()

    def update(self, progress: Progress, desk: Desk) -> None:
        """Shows the state after a window, if the last view is old enough."""
        now = time.monotonic()
        if self.first_window_after is None:
            self.first_window_after = now - self._began
        if not self._is_shown:
            return
        every = _LIVE_EVERY if self._live else _PLAIN_EVERY
        if now - self._shown_at < every:
            return
        self._shown_at = now
        facts = self._facts(progress, desk, now - self._began)
        if self._live is not None:
            table = Table(title=f"swarm {self._blueprint.scenario}", show_header=False)
            for name, value in facts.items():
                table.add_row(name, value)
            self._live.update(table, refresh=True)
        else:
            sys.stderr.write("  ".join(f"{k} {v}" for k, v in facts.items()) + "\n")
            sys.stderr.flush()

    def say(self, sentence: str) -> None:
        """Shows one sentence above the live view, or among the lines."""
        if self._live is not None:
            self._terminal.print(sentence, soft_wrap=True, markup=False, highlight=False)
        elif self._is_shown:
            sys.stderr.write(sentence + "\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Takes the live view down."""
        if self._live is not None:
            self._live.stop()

    def _facts(self, progress: Progress, desk: Desk, elapsed: float) -> dict[str, str]:
        counts = desk.counts
        view = self._blueprint.gauges(progress.watched)
        left = elapsed * (1 / view.share_done - 1) if view.share_done else 0.0
        eta = f" (about {left:.0f} s to go)" if view.share_done else ""
        until = self._blueprint.until
        share = f" ({100 * progress.now / until:.0f} % of {clock(until)})" if until else ""
        return {
            "virtual": clock(progress.now) + share,
            "windows": f"{progress.windows:,}",
            "messages": f"{progress.messages:,} ({progress.messages / max(elapsed, 1e-9):,.0f}/s)",
            "jobs": f"{desk.running()} running, {counts.jobs_done} done,"
            f" {counts.jobs_cached} cached",
            **view.facts,
            "wall": f"{elapsed:.0f} s{eta}",
        }


def clock(ticks: int) -> str:
    """Returns virtual time as days and hours, for people."""
    days, rest = divmod(ticks, 86_400)
    return f"day {days} {rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"

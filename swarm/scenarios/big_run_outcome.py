"""What a big run came to: the ledger of its incidents, the closing table, the plot."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console as Terminal
from rich.table import Table

from swarm.comms.messages import incident
from swarm.errors import RunFailedError, boundary
from swarm.gpu.diagnosis import Rule
from swarm.gpu.effective_time import expected_downtime_s, expected_ratio, renewal_ratio
from swarm.gpu.faults.hazard import Hazard, JobFailures
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, Message
from swarm.runtime.launch import Outcome, Perform, Result
from swarm.scenarios.big_run_plot import draw
from swarm.units import CREDIT, DAY, HOUR

WATCH = (
    "incident.fault_due",
    "incident.struck",
    "incident.alarm",
    "incident.restart",
    "incident.running",
    "incident.closed",
    "incident.delivered",
    "incident.ended",
    "contract_net.inform_result",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was set up, as the closing figures need it."""

    runs: tuple[tuple[ActorId, int], ...]
    """(run, nodes), the big one first."""
    gpus_per_node: int
    horizon_s: int
    hazard: Hazard
    own_failures: Mapping[ActorId, JobFailures]
    site: Site
    table: tuple[Rule, ...]
    interval_s: int
    """The interval between checkpoints that is fixed, or best under the hazard."""


@dataclass
class Ledger:
    """Incidents of one run, read off the messages; the truth is in the fault source's own."""

    struck: dict[int, int] = field(default_factory=dict)
    """Fault -> when the run first met it."""
    detect_s: list[int] = field(default_factory=list)
    diagnose_s: list[int] = field(default_factory=list)
    recover_s: list[int] = field(default_factory=list)
    ups: list[tuple[int, int]] = field(default_factory=list)
    """(from, to) of the time in which it computed."""
    closed: list[incident.Closed] = field(default_factory=list)
    ended: incident.Ended | None = None
    _hit_at: int | None = None
    _alarm: tuple[str, int] = ("", 0)
    _restart_at: int = 0
    _up_since: int | None = None

    def hear(self, due: int, message: Message) -> None:
        """Takes one message about this run, in order of time."""
        match message:
            case incident.Struck():
                if not message.is_again:
                    self.struck.setdefault(message.fault, due)
                if self._hit_at is None:
                    self._hit_at = due
                if message.effect in ("crash", "hang"):
                    self._down(due)
            case incident.Alarm() if message.contract != self._alarm[0]:
                self._alarm = message.contract, due
                if self._hit_at is not None:
                    self.detect_s.append(due - self._hit_at)
            case incident.Restart():
                self.diagnose_s.append(due - self._alarm[1])
                self._restart_at = due
                self._down(due)
            case incident.Running() if self._up_since is None:  # it is told to several
                self._up_since, self._hit_at = due, None
                if message.contract:
                    self.recover_s.append(due - self._restart_at)
            case incident.Closed():
                self.closed.append(message)
            case incident.Ended():
                self.ended = message
                self._down(due)
            case _:
                pass

    def _down(self, due: int) -> None:
        if self._up_since is not None:
            self.ups.append((self._up_since, due))
            self._up_since = None


def finish(plan: Plan, result: Result, _perform: Perform) -> dict[str, object]:
    """Sums a run up, and draws ``plot.svg`` into its folder."""
    ledgers = {run: Ledger() for run, _ in plan.runs}
    categories: dict[int, str] = {}
    spent = n_repairs = hired = 0
    for due, message in result.watched:
        match message:
            case incident.FaultDue():
                categories[message.fault] = message.category
            case incident.Delivered():
                spent += message.cost
                n_repairs += 1
            case (
                incident.Struck() | incident.Alarm() | incident.Restart() | incident.Running()
                | incident.Closed() | incident.Ended()
            ):  # fmt: skip
                ledgers[message.run].hear(due, message)
            case _:
                hired += 1
    (big, nodes), *small = plan.runs
    facts = {
        **_figures(plan, ledgers[big], nodes, categories),
        "credits_spent_on_nodes": round(spent / CREDIT, 2),
        "nodes_repaired_or_new": n_repairs,
        "diagnoses_by_colleagues": hired,
        "small_jobs": _small(plan, small, ledgers),
    }
    with boundary(RunFailedError, f"writing the plot in {result.path}"):
        (result.path / "plot.svg").write_text(
            draw(
                horizon_s=plan.horizon_s,
                ups=ledgers[big].ups,
                struck=[(at, categories[fault]) for fault, at in ledgers[big].struck.items()],
                per_day=plan.hazard.run_per_day(nodes),
                title=f"{nodes:,} nodes, {plan.horizon_s / DAY:g} days",
            )
        )
        (result.path / "big_run.json").write_text(json.dumps(facts, indent=1) + "\n")
    return facts


def _figures(
    plan: Plan, ledger: Ledger, nodes: int, categories: Mapping[int, str]
) -> dict[str, object]:
    """Returns the figures of the big run."""
    ended = ledger.ended
    if ended is None:
        raise RunFailedError(what="the big run never ended, which only a bug can cause")
    counts: dict[str, int] = {}
    for fault in sorted(ledger.struck):
        counts[categories[fault]] = counts.get(categories[fault], 0) + 1
    gpus = nodes * plan.gpus_per_node
    alone = [one for one in ledger.closed if not one.is_by_human]
    return {
        "effective_training_time_ratio": round(ended.effective_s / ended.elapsed_s, 5),
        **closed_forms(plan, nodes),
        "interruptions": len(ledger.struck),
        "interruptions_expected": round(plan.hazard.run_per_day(nodes) * ended.elapsed_s / DAY, 1),
        "interruptions_by_category": dict(
            sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ),
        "incidents_handled": len(ledger.closed),
        "median_detect_s": _median(ledger.detect_s),
        "median_diagnose_s": _median(ledger.diagnose_s),
        "median_recover_s": _median(ledger.recover_s),
        "share_without_human": round(len(alone) / len(ledger.closed), 4) if ledger.closed else None,
        "lost_gpu_hours": round(gpus * (ended.elapsed_s - ended.effective_s) / HOUR, 1),
        "lost_to": {
            "standstill": round(gpus * ended.down_s / HOUR, 1),
            "work_done_again": round(gpus * ended.redone_s / HOUR, 1),
            "checkpoints": round(gpus * ended.saving_s / HOUR, 1),
        },
        "checkpoint_interval_s": ended.interval_s,
    }


def closed_forms(plan: Plan, nodes: int) -> dict[str, float]:
    """Returns what theory expects of a run on that many nodes, from the set-up alone."""
    downtime = expected_downtime_s(plan.hazard, nodes=nodes, site=plan.site, table=plan.table)
    per_day = plan.hazard.run_per_day(nodes)
    first_order = expected_ratio(
        per_day=per_day,
        downtime_s=downtime,
        interval_s=plan.interval_s,
        checkpoint_s=plan.site.checkpoint_s,
    )
    exact = renewal_ratio(
        per_day=per_day,
        downtime_s=downtime,
        interval_s=plan.interval_s,
        checkpoint_s=plan.site.checkpoint_s,
    )
    return {
        "effective_training_time_ratio_expected": round(first_order, 5),
        "effective_training_time_ratio_renewal": round(exact, 5),
        "downtime_expected_s": round(downtime, 1),
        "checkpoint_interval_best_s": plan.interval_s,
    }


def _small(
    plan: Plan, small: Sequence[tuple[ActorId, int]], ledgers: Mapping[ActorId, Ledger]
) -> list[dict[str, object]]:
    """Returns the small jobs by size, with the mean time to failure that they must expect."""
    rows: list[dict[str, object]] = []
    for nodes in sorted({n for _, n in small}):
        same = [run for run, n in small if n == nodes]
        own = plan.own_failures.get(same[0], plan.hazard.job_failures)
        per_day = nodes * plan.hazard.per_node_day + (own.per_day(nodes) if own else 0.0)
        ended = [one for run in same if (one := ledgers[run].ended) is not None]
        rows.append(
            {
                "nodes": nodes,
                "jobs": len(same),
                "interruptions": sum(len(ledgers[run].struck) for run in same),
                "interruptions_expected": round(per_day * len(same) * plan.horizon_s / DAY, 2),
                "effective_training_time_ratio": round(
                    sum(one.effective_s for one in ended) / sum(one.elapsed_s for one in ended), 5
                ),
            }
        )
    return rows


def tell(outcome: Outcome, terminal: Terminal) -> None:
    """Shows the closing table."""
    facts = outcome.summary
    if "interruptions" not in facts:
        return
    table = Table(title="interruptions of the big run", title_justify="left")
    table.add_column("category")
    table.add_column("number", justify="right")
    for name, n in facts["interruptions_by_category"].items():
        table.add_row(name, str(n))
    terminal.print(table)
    share = facts["share_without_human"]
    lines = (
        f"effective training time {100 * facts['effective_training_time_ratio']:.2f} %, closed form"
        f" {100 * facts['effective_training_time_ratio_expected']:.2f} % to first order,"
        f" {100 * facts['effective_training_time_ratio_renewal']:.2f} % exactly",
        f"{facts['interruptions']} interruptions, {facts['interruptions_expected']:.0f} expected;"
        f" {facts['incidents_handled']} incidents"
        + (f", {100 * share:.1f} % without a human" if share is not None else ""),
        f"median time to detect {_span(facts['median_detect_s'])}, to diagnose"
        f" {_span(facts['median_diagnose_s'])}, to recover {_span(facts['median_recover_s'])}",
        f"{facts['lost_gpu_hours']:,.0f} GPU-hours lost, {facts['credits_spent_on_nodes']:,.1f}"
        f" credits spent on {facts['nodes_repaired_or_new']} repairs and new nodes",
        f"plot: {outcome.path / 'plot.svg'}",
    )
    for line in lines:
        terminal.print(line, highlight=False, soft_wrap=True)


def _median(values: Sequence[int]) -> float | None:
    return statistics.median(values) if values else None


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f} s"

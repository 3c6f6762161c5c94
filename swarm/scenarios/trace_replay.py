"""Trace replay: the jobs of a trace, run by the real broker on the real pool.

One broker leases a cluster of equal nodes; sources submit the jobs of a trace, each at its second,
and every job is a lease that runs to its end. What the schedule was worth is measured at the end.
Rounds are held at the instant at which something changes, after what ended has been released and
what came has been admitted, as published simulators do.

    python -m swarm.scenarios.trace_replay --set trace=jobs.csv --set nodes=7 --set mechanism=srtf
"""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import Field, NonNegativeInt, model_validator
from rich.console import Console as Terminal

from swarm.comms.graph import build
from swarm.comms.messages import lease, work
from swarm.errors import RunFailedError, UsageError, boundary
from swarm.gpu.devices import H100, Cluster, uniform_cluster
from swarm.gpu.leases import MILLI
from swarm.gpu.measures import JobRun, measures
from swarm.gpu.mechanism import Mechanism, mechanism
from swarm.gpu.patience import Patient
from swarm.gpu.placement import placement
from swarm.gpu.rounds import Preemption, preemptive
from swarm.gpu.trace import Job, read_trace, synthetic_trace
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.roster import Roster
from swarm.roles.gpu_broker import GpuBroker
from swarm.roles.trace_source import Bids, TraceSource, number_of
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Options, Outcome, Perform, Result
from swarm.scenarios.config import Config, configure, expect_roles
from swarm.scenarios.entry import Front
from swarm.scenarios.lab import Lab
from swarm.units import Credits, Ticks

COUNTS = {"gpu_broker": 1, "trace_source": 1}
BROKER = ActorId("gpu_broker-0")
Setting = int | float | str | tuple[int | float | str, ...]


class TraceReplay(Config):
    """What is replayed, and on what."""

    roles: dict[str, NonNegativeInt] = COUNTS
    """Actors by role: one broker; jobs are dealt out to the sources, each of which is a holder."""
    trace: str = ""
    """A CSV file with ``job_id,submit_s,num_gpus,duration_s``; by default one is drawn."""
    jobs: int = Field(default=1_000, ge=1, le=10_000_000)
    """Jobs to draw, if there is no file."""
    load: float = Field(default=0.9, gt=0, le=100)
    """GPU time to ask for over what there is, if there is no file."""
    owner: str = ""
    """A column of the file: jobs of one owner go to one source. By default they go in turn."""
    nodes: int = Field(default=7, ge=1, le=100_000)
    """Nodes of the cluster."""
    gpus_per_node: int = Field(default=8, ge=1, le=1_024)
    """GPUs of each node."""
    mechanism: str = "fifo"
    """A file of ``gpu/mechanisms``."""
    settings: dict[str, Setting] = Field(default_factory=dict)
    """What the mechanism's constructor takes, such as ``settings.thresholds=[3250,7200]``."""
    placement: str = "count"
    """A file of ``gpu/placements``."""
    preemption: bool = True
    """Whether mechanisms that preempt may."""
    notice: int = Field(default=0, ge=0)
    """Seconds between the notice and the end of a lease that is preempted."""
    checkpoint_cost: int = Field(default=0, ge=0)
    """Seconds that a preemption adds to what is left of a job."""
    patience: int = Field(default=0, ge=0)
    """Seconds after which a job goes first whatever the mechanism says; 0 for never."""
    bids: Bids = "random"
    """What jobs bid: the same rate for all, or one drawn for each."""
    reserve: int = Field(default=0, ge=0, le=1_000)
    """The least anybody pays, in micro-credits per GPU-second."""
    latency: int = Field(default=60, ge=1)
    """Seconds between source and broker, also the lookahead. No figure depends on it."""
    jobs_out: str = ""
    """A CSV file to write: start and end of each job."""
    until: int | None = Field(default=None, gt=0)
    """Virtual seconds after which to stop."""

    @model_validator(mode="after")
    def _expect_one_broker(self) -> Self:
        expect_roles(self.roles, COUNTS)
        brokers, sources = (self.roles.get(role, 0) for role in COUNTS)
        if brokers != 1 or sources < 1:
            raise ValueError(
                "trace_replay needs one gpu_broker and at least 1 trace_source,"
                f" came {brokers} and {sources}"
            )
        return self


class Plan(NamedTuple):
    """What a config comes to."""

    config: TraceReplay
    jobs: tuple[Job, ...]
    cluster: Cluster


def lab(**overrides: object) -> Lab:
    """Builds the lab; keyword arguments are keys of ``TraceReplay``.

    Raises:
        UsageError: For a trace that cannot be read or does not fit, and unknown names.
    """
    plan = _plan(configure(TraceReplay, overrides))
    return Lab(
        config=plan.config,
        build=partial(_blueprint, plan),
        finish=partial(_finish, plan),
        tell=_tell,
    )


def _plan(config: TraceReplay) -> Plan:
    cluster = uniform_cluster(H100, nodes=config.nodes, gpus_per_node=config.gpus_per_node)
    preempts = _may_preempt(config)
    if config.trace:
        jobs = read_trace(Path(config.trace), owner=config.owner)
    else:
        jobs = synthetic_trace(config.jobs, gpus=cluster.gpus, seed=config.seed, load=config.load)
    sizes = cluster.sizes
    largest = placement(config.placement).largest(idle=sizes, sizes=sizes)
    for job in jobs:
        if job.gpus > largest:
            where = f"trace {config.trace}, line {job.line}: " if job.line else ""
            raise UsageError(
                what=f"{where}job {job.job_id} wants {job.gpus} GPUs, and the largest gang possible"
                f" on {config.nodes} nodes of {config.gpus_per_node} GPUs is {largest};"
                " leave it out, or add nodes"
            )
        if job.milli and preempts:
            raise UsageError(
                what=f"job {job.job_id} wants a slice of a GPU, and {config.mechanism} preempts"
                " whole GPUs only; choose another mechanism, or preemption=false"
            )
    if config.jobs_out:
        folder = Path(config.jobs_out).absolute().parent
        if not folder.is_dir():
            raise UsageError(what=f"jobs_out={config.jobs_out}: there is no folder {folder}")
    return Plan(config, jobs, cluster)


def _mechanism(config: TraceReplay) -> Mechanism:
    rule = mechanism(config.mechanism, config.settings)
    return Patient(rule, patience=Ticks(config.patience)) if config.patience else rule


def _may_preempt(config: TraceReplay) -> bool:
    return config.preemption and preemptive(_mechanism(config)) is not None


def _blueprint(plan: Plan, _options: Options) -> Blueprint:
    config = plan.config
    latency = Ticks(config.latency)
    roster = Roster(config.roles.items())
    return Blueprint(
        scenario="trace_replay",
        config=config.model_dump(mode="json"),
        seed=config.seed,
        roster=tuple(config.roles.items()),
        graph=build("star", n=len(roster), seed=config.seed, latency=latency, lookahead=latency),
        build_role=partial(_role, plan),
        first=work.Start(),
        services=("gpu_broker",),
        latency=config.latency,
        lookahead=config.latency,
        watch=("lease.granted", "lease.ended", "lease.preempted"),
        until=config.until,
    )


def _role(plan: Plan, _roster: Roster, actor: ActorId) -> AnyRole:
    config = plan.config
    if actor == BROKER:
        preemption = Preemption(notice=Ticks(config.notice), cost=Ticks(config.checkpoint_cost))
        return GpuBroker(
            cluster=plan.cluster,
            reserve=Credits(config.reserve),
            mechanism=_mechanism(config),
            placement=placement(config.placement),
            round_every=Ticks(0),
            treasury=None,
            devops=(),
            preemption=preemption if _may_preempt(config) else None,
            explains=False,
            opens_at=Ticks(config.latency),
        )
    source = int(actor.rpartition("-")[2])
    return TraceSource(broker=BROKER, jobs=_dealt(plan, source), bids=config.bids)


def _dealt(plan: Plan, source: int) -> Sequence[tuple[int, Job]]:
    """Returns the jobs of one source, with their numbers in the trace."""
    n_sources = plan.config.roles["trace_source"]
    owners: dict[str, int] = {}
    dealt: list[tuple[int, Job]] = []
    for number, job in enumerate(plan.jobs):
        turn = owners.setdefault(job.owner, len(owners)) if plan.config.owner else number
        if turn % n_sources == source:
            dealt.append((number, job))
    return dealt


def _finish(plan: Plan, result: Result, _perform: Perform) -> dict[str, object]:
    runs = _runs(plan, result)
    if not runs:
        raise RunFailedError(what="no job ended; raise --until")
    if plan.config.jobs_out:
        _write(Path(plan.config.jobs_out), runs)
    figures = measures(runs, gpus=plan.cluster.gpus)
    return {
        "mechanism": plan.config.mechanism,
        "placement": plan.config.placement,
        "gpus": plan.cluster.gpus,
        "trace_jobs": len(plan.jobs),
        "trace_jobs_ended": len(runs),
        **{name: round(figure, 6) for name, figure in figures.items()},
    }


def _runs(plan: Plan, result: Result) -> list[JobRun]:
    """Returns what became of the jobs that ended, in order of the trace.

    Requests come to the broker one latency after their second, and what it tells arrives one
    latency after that.
    """
    starts: dict[ContractId, int] = {}
    ends: dict[ContractId, int] = {}
    stopped: dict[ContractId, int] = {}
    late = 2 * plan.config.latency
    for due, message in result.watched:
        match message:
            case lease.Granted():
                starts.setdefault(message.contract, due - late)
            case lease.Ended():
                ends[message.contract] = due - late
            case lease.Preempted():
                stopped[message.contract] = stopped.get(message.contract, 0) + 1
            case _:
                continue
    return [
        JobRun(
            job_id=job.job_id,
            submit_s=job.submit_s,
            size=job.size,
            duration_s=job.duration_s,
            start_s=starts[contract],
            end_s=ends[contract],
            preemptions=stopped.get(contract, 0),
        )
        for contract in sorted(ends)
        for job in (plan.jobs[number_of(contract)],)
    ]


def _write(path: Path, runs: Sequence[JobRun]) -> None:
    with boundary(RunFailedError, f"writing {path}"), path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ("job_id", "submit_s", "num_gpus", "duration_s", "start_s", "end_s", "preemptions")
        )
        for run in runs:
            n_gpus = run.size // MILLI if run.size % MILLI == 0 else run.size / MILLI
            writer.writerow((run.job_id, run.submit_s, n_gpus, run.duration_s, *run[4:7]))


def _tell(outcome: Outcome, terminal: Terminal) -> None:
    facts = outcome.summary
    if "average_completion_s" in facts:
        terminal.print(
            f"{facts['trace_jobs_ended']} of {facts['trace_jobs']} jobs ended on {facts['gpus']}"
            f" GPUs under {facts['mechanism']}, {facts['placement']}: completion"
            f" {facts['average_completion_s']:.2f} s on average, of which in the queue"
            f" {facts['average_queue_s']:.2f} s; makespan {facts['makespan_s']} s, utilisation"
            f" {facts['utilisation']:.4f}, {facts['preemptions']} preemptions; Jain's index"
            f" {facts['jain_index']:.3f}, finish-time fairness"
            f" {facts['worst_finish_time_fairness']:.2f} at worst,"
            f" {facts['p95_finish_time_fairness']:.2f} at the 95th percentile",
            highlight=False,
        )


if __name__ == "__main__":
    Front("trace_replay", lab=lab, counts=COUNTS, single=("gpu_broker",)).main()

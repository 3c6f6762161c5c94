"""The config of a big run: what is run, what goes wrong, who minds it, and how long things take."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from swarm.errors import UsageError
from swarm.gpu.diagnosis import HUMAN_ONLY, TABLE, Rule, read_table
from swarm.gpu.effective_time import best_interval_s
from swarm.gpu.faults.hazard import PER_1000, Hazard, JobFailures, Lemons
from swarm.gpu.faults.preset import load_preset
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId
from swarm.scenarios.config import Config, expect_roles
from swarm.units import CREDIT, DAY, Credits

SINGLE = ("training_run", "fault_source", "node_monitor", "treasury")
COUNTS = {"devops": 3, **dict.fromkeys(SINGLE, 1)}

BIG = ActorId("training_run-0")

_SITE = Site()


class Faults(BaseModel):
    """What is declared instead of, or beside, what the preset says."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    per_1000_node_days: float | None = Field(default=None, ge=0)
    """Faults of nodes per 1,000 node-days; none given takes the preset's."""
    shares: dict[str, float] = Field(default_factory=dict)
    """Weight of each category among the faults of nodes; none given takes the preset's."""
    extra: dict[str, float] = Field(default_factory=dict)
    """Faults per 1,000 node-days that come on top, by category (``hang_node``, ``slow_node``)."""
    lemon_share_of_nodes: float | None = Field(default=None, ge=0, lt=1)
    """Share of nodes that are lemons; 0 for none; not given takes the preset's."""
    lemon_share_of_faults: float = Field(default=0.7, gt=0, lt=1)
    """Share of the faults of nodes that are theirs, if ``lemon_share_of_nodes`` is given."""
    storms_per_30_days: float = Field(default=0.0, ge=0)
    """Times in 30 days that many nodes fail together."""
    storm_nodes: int = Field(default=16, ge=1)
    """Nodes that one storm meets."""

    def lemons(self) -> Lemons | None:
        """Returns the lemons of ``lemon_share_of_nodes``; None where there are none."""
        if not self.lemon_share_of_nodes:
            return None
        return Lemons(
            share_of_nodes=self.lemon_share_of_nodes, share_of_faults=self.lemon_share_of_faults
        )


class Operations(BaseModel):
    """How long things take, in virtual seconds, how good tests are, and what things cost."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    heartbeat_timeout_s: PositiveInt = _SITE.heartbeat_timeout_s
    """Silence after which a node counts as lost."""
    hang_rule_s: PositiveInt = _SITE.hang_rule_s
    """Silence of the fabric after which a run counts as hanging."""
    slow_window_s: PositiveInt = _SITE.slow_window_s
    """Time for which throughput must be low before somebody is told."""
    gather_s: PositiveInt = _SITE.gather_s
    """Time the monitor waits for symptoms that belong to the first."""
    diagnosis_s: PositiveInt = _SITE.diagnosis_s
    """Time to look through the symptoms of one incident."""
    aftercare_s: PositiveInt = _SITE.aftercare_s
    """Attention that the nodes of an incident need after its diagnosis."""
    swap_s: NonNegativeInt = _SITE.swap_s
    """Time until spare nodes have joined a gang."""
    reboot_s: PositiveInt = _SITE.reboot_s
    """Time of a reboot."""
    examine_s: PositiveInt = _SITE.examine_s
    """Time to test one node."""
    sweep_s: PositiveInt = _SITE.sweep_s
    """Time to test a whole gang side by side."""
    test_finds: float = Field(default=_SITE.test_finds, ge=0, le=1)
    """Probability that a test finds what is broken."""
    human_s: PositiveInt = _SITE.human_s
    """Mean time until a human who was called is there."""
    human_work_s: PositiveInt = _SITE.human_work_s
    """Time a human needs to find what is wrong."""
    repair_s: PositiveInt = _SITE.repair_s
    """Mean time of a repair."""
    new_node_s: PositiveInt = _SITE.new_node_s
    """Time until a new node is delivered."""
    restart_s: PositiveInt = _SITE.restart_s
    """Time from the order to start until a run computes."""
    checkpoint_s: PositiveInt = _SITE.checkpoint_s
    """Time for which training stands still while a checkpoint is taken."""
    corrupt_notice_s: PositiveInt = _SITE.corrupt_notice_s
    """Mean time until silent corruption shows in the loss."""
    slow_share: float = Field(default=_SITE.slow_share, gt=0, le=1)
    """Throughput of a run with a slow node, of 1."""
    again_s: PositiveInt = _SITE.again_s
    """An alarm this soon after a restart means that the trouble is back."""
    lemon_blames: PositiveInt = _SITE.lemon_blames
    """So often must a node have been to blame to be evicted."""
    lemon_window_s: PositiveInt = _SITE.lemon_window_s
    """Time within which that counts."""
    repair_price: float = Field(default=_SITE.repair_price / CREDIT, ge=0)
    """Credits for the repair of a node."""
    new_node_price: float = Field(default=_SITE.new_node_price / CREDIT, ge=0)
    """Credits for a new node."""
    fee: float = Field(default=_SITE.fee / CREDIT, ge=0)
    """Credits that a colleague asks for a diagnosis."""
    budget: float = Field(default=10_000, ge=0)
    """Credits for all of it; without credits a node stays out of service."""

    def site(self) -> Site:
        """Returns this as the roles take it."""
        values = self.model_dump(exclude={"budget"})
        for name in ("repair_price", "new_node_price", "fee"):
            values[name] = Credits(round(values[name] * CREDIT))
        return Site(**values)


class BigRun(Config):
    """What is run, what goes wrong, and who minds it."""

    roles: dict[str, NonNegativeInt] = COUNTS
    """Actors by role; the small jobs come on top."""
    nodes: int = Field(default=2_048, ge=1, le=100_000)
    """Nodes of the big run."""
    gpus_per_node: PositiveInt = 8
    """GPUs of every node."""
    small_jobs: tuple[PositiveInt, ...] = (1, 1, 1, 1, 4, 8, 16, 32)
    """Nodes of each job beside the big run."""
    spares: NonNegativeInt = 64
    """Nodes that wait to replace others."""
    days: float = Field(default=54, gt=0, le=3_650)
    """Virtual days."""
    preset: str = "llama3_405b"
    """Published failure statistics that nodes and the big run follow."""
    small_preset: str = "rsc1"
    """Those from which small jobs have the failures that are not their nodes'."""
    faults: Faults = Faults()
    """Own numbers in place of the preset's."""
    devops: Literal["on", "off"] = "on"
    """Whether devops actors see to incidents, or all of them wait for a human."""
    lemon_eviction: Literal["on", "off"] = "on"
    """Whether nodes that are to blame again and again are evicted."""
    checkpoint_interval_s: int | None = Field(default=None, gt=0)
    """Seconds of computing between checkpoints; by default devops choose by the failures seen."""
    assumed_per_1000_node_days: float = Field(default=6.5, gt=0)
    """Failures that devops expect before they have seen any."""
    decision_table: Path | None = None
    """A JSON file with rows of symptoms and actions, in place of the built-in table."""
    ops: Operations = Operations()
    """Times, tests and prices of the site."""
    until: int | None = Field(default=None, gt=0)
    """Virtual seconds after which the run ends, if that is before its days are over."""

    @model_validator(mode="after")
    def _expect_crew(self) -> Self:
        expect_roles(self.roles, COUNTS)
        for role in SINGLE:
            if self.roles.get(role) != 1:
                raise ValueError(f"big_run has one {role}, came {self.roles.get(role, 0)}")
        if not self.roles.get("devops"):
            raise ValueError(
                f"big_run needs at least one devops actor, came {self.roles.get('devops', 0)}; for"
                " a run without them give --set devops=off"
            )
        return self

    @property
    def horizon_s(self) -> int:
        """The time of all runs, in virtual seconds."""
        whole = round(self.days * DAY)
        return max(1, whole if self.until is None else min(whole, self.until))

    @property
    def runs(self) -> list[tuple[ActorId, int]]:
        """(run, nodes), the big one first."""
        small = [(ActorId(f"small_run-{i}"), n) for i, n in enumerate(self.small_jobs)]
        return [(BIG, self.nodes), *small]

    def hazard(self) -> Hazard:
        """Returns the preset with the own numbers in it."""
        preset, own = load_preset(self.preset), self.faults
        per_node_day = preset.per_node_day
        if own.per_1000_node_days is not None:
            per_node_day = own.per_1000_node_days / PER_1000
        shares = dict(own.shares) or dict(preset.shares)
        total = sum(shares.values()) or 1.0
        rates = {name: per_node_day * weight / total for name, weight in shares.items()}
        for name, per_1000 in own.extra.items():
            rates[name] = rates.get(name, 0.0) + per_1000 / PER_1000
        lemons = preset.lemons
        if own.lemon_share_of_nodes is not None:
            lemons = own.lemons()
        return Hazard(
            per_node_day=sum(rates.values()),
            shares=tuple(rates.items()),
            job_failures=preset.job_failures,
            lemons=lemons,
            storms_per_day=own.storms_per_30_days / 30,
            storm_nodes=own.storm_nodes,
        )

    def own_failures(self) -> dict[ActorId, JobFailures]:
        """Returns the failures of the small jobs that are not their nodes'."""
        of_small = load_preset(self.small_preset).job_failures
        return {run: of_small for run, _ in self.runs[1:] if of_small is not None}

    def table(self) -> tuple[Rule, ...]:
        """Returns the decision table."""
        if self.devops == "off":
            return HUMAN_ONLY
        if self.decision_table is None:
            return TABLE
        try:
            return read_table(self.decision_table.read_bytes())
        except OSError as wrong:
            raise UsageError(
                what=f"decision_table {self.decision_table} cannot be read: {wrong.strerror}"
            ) from wrong

    def interval_s(self, per_day: float) -> int:
        """Returns the fixed interval between checkpoints, or the best for such failures."""
        best = best_interval_s(per_day=per_day, checkpoint_s=self.ops.checkpoint_s)
        return self.checkpoint_interval_s or best

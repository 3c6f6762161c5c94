"""The research lab: config and assembly shared by ``full_lab`` and ``two_researchers``.

A scenario file chooses counts and budgets; here they become a graph, a pool, roles and minds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from swarm.pipeline.pretraining.spec import GENERATION_0_FLOPS
from swarm.scenarios.config import Config

SERVICES = ("director", "treasury", "gpu_broker", "integrator", "evaluator")
"""Roles that have an edge to everybody, unless ``service_edges=off``."""

SINGLE = ("director", "treasury", "integrator")
"""Roles that a lab has one actor of, whatever its size."""


SMALL_WORLD: dict[str, int | float | str] = {"degree": 12, "rewired": 0.3}

MINDS = {
    "pretraining_researcher": ("rules", "rules", "rules", "search"),
    "data_researcher": ("rules", "search"),
    "evaluator": ("practice",),
}


THRESHOLDS = {"bpb": 0.12, "unsolved": 0.015, "index": 0.01, "decode": 0.2, "regret": 0.02}

EXAM = (
    "compare",
    "count_symbol",
    "largest",
    "modular_addition",
    "close_brackets",
    "digit_sum",
)
"""Short answers that a model of a tenth of a million parameters learns in seconds."""


class Section(BaseModel):
    """Base of the config's sections."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )


def own_params(fields: Mapping[str, object]) -> dict[str, int | float | str]:
    """Returns what a topology of this lab takes by default; empty for its own defaults."""
    return dict(SMALL_WORLD) if fields.get("topology") == "small_world" else {}


class GraphConfig(Section):
    """The coordination graph between peers."""

    FOLLOWERS: ClassVar[Mapping[str, str]] = {"topology": "params"}
    """Another topology takes its own parameters: its choice draws their default anew."""

    topology: str = "small_world"
    """A file of ``comms/topologies``."""
    params: dict[str, int | float | str] = Field(default_factory=own_params)
    """What that topology takes beyond the number of actors and the seed; by default its own."""
    latency: int = Field(default=60, ge=1)
    """Virtual seconds along any edge; also the lookahead."""


class PoolConfig(Section):
    """The GPU pool and the scale model."""

    nodes: int = Field(default=8, ge=1)
    """Machines."""
    gpus_per_node: int = Field(default=8, ge=1)
    """GPUs of each."""
    device: str = "H100"
    """A device type of ``gpu/devices.py``."""
    mechanism: str = "sealed_bid"
    """A file of ``gpu/mechanisms``."""
    burn_in: int = Field(default=1_800, ge=1)
    """Virtual seconds for which those on duty test a new node before it can be leased."""
    round_every: int = Field(default=600, ge=1)
    """Virtual seconds between rounds of allocation, while anything waits."""
    reserve: int = Field(default=100, ge=1)
    """Least price of a GPU for a virtual second, in micro-credits."""
    virtual_flops_per_flop: int = Field(default=90_000_000, ge=1)
    """How many virtual operations one nominal real one stands for: a trial takes about 4 hours."""
    mfu_percent: int = Field(default=40, ge=1, le=100)
    """Share of the device's peak that training reaches."""


class WorkConfig(Section):
    """What is really trained."""

    trial_flops: int = Field(default=GENERATION_0_FLOPS, ge=1_000_000)
    """Nominal operations of one trial: about 76,000 tokens of generation 0's shape."""
    checkpoint_flops: int = Field(default=140_000_000_000, ge=1_000_000)
    """Nominal operations of a checkpoint."""
    max_params: int = Field(default=2_000_000, ge=1)
    """A larger model fails with kind ``limit``."""
    base_seeds: int = Field(default=8, ge=8)
    """Fresh seeds on which a ship's base arm is measured; the gate's last look needs eight."""
    post_steps: int = Field(default=40, ge=1)
    """Budget of one post-training, in updates on 64 rows of 24 bytes."""
    practices: int = Field(default=24, ge=2)
    """Tasks on which a notebook policy is practised."""
    claim_thresholds: dict[str, NonNegativeFloat] = THRESHOLDS
    """By benchmark: a single trial that gains less is not claimed."""
    audit_seeds: int = Field(default=5, ge=0)
    """Fresh seeds an arm, trained after the run and read on the audit shard; 0 skips the audit."""


class ExamConfig(Section):
    """The sealed tasks on which models are examined; no part of the ship."""

    families: tuple[str, ...] = EXAM
    """Files of ``pipeline/posttraining/environments/families``."""
    difficulty: int = Field(default=1, ge=1, le=5)
    """Of every environment."""
    prompts: int = Field(default=32, ge=4)
    """Tasks of each family; 8 answers are sampled to each."""


class MoneyConfig(Section):
    """Budgets and posted prices, in credits (a credit is a million micro-credits)."""

    budget: float = Field(default=220, gt=0)
    """What the director may grant, reviews apart."""
    integrator_capital: float = Field(default=140, ge=0)
    """The integrator's part of it, at the start: base arms, tests on the ship, rewards."""
    review_budget: float = Field(default=112, ge=0)
    """What the director may grant for reviews that their authors cannot pay."""
    trial_grant: float = Field(default=4, gt=0)
    """What a researcher of a trained part, or of checkpoints, gets at a time: two trials."""
    light_grant: float = Field(default=1, gt=0)
    """What others get: their trials need no training at all."""
    grants_per_epoch: int = Field(default=10, ge=1)
    """Researchers that get one in an epoch."""
    epoch: int = Field(default=86_400, ge=3_600)
    """Virtual seconds between incomes."""
    reward: float = Field(default=4, ge=0)
    """What an accepted swap earns its author and replicator."""
    build_price: float = Field(default=0.5, ge=0)
    """For one environment that passes its gates."""
    bounty: float = Field(default=1, ge=0)
    """For one demonstrated exploit."""
    bounty_budget: float = Field(default=8, ge=0)
    """What the director may grant for exploits."""
    evaluator_price: float = Field(default=0.1, ge=0)
    """For one checkpoint scored."""
    reviewer_price: float = Field(default=14, ge=0)
    """For one replication: up to eight trainings, their scores, and a margin."""
    light_review_price: float = Field(default=1, ge=0)
    """For one that only has values scored."""


class HumansConfig(Section):
    """What must not happen without a person's word."""

    gate: Literal["none", "swaps", "big_runs"] = "none"
    """``none``: everything is approved; ``swaps``: every swap waits for an answer; ``big_runs``: a
    new checkpoint does. A gate pauses wall time, not virtual time."""
    policy: Literal["approve", "veto"] = "approve"
    """What counts as the answer when nobody answers in time."""
    thinking: int = Field(default=3_600, ge=1)
    """Virtual seconds that an answer takes."""
    deadline: float = Field(default=3_600, gt=0)
    """Wall seconds that a question waits for a person."""


class ResearchLab(Config):
    """A lab that improves a tiny language model."""

    roles: dict[str, NonNegativeInt] = Field(default_factory=dict)
    """Actors by role."""
    corpus: Path | None = None
    """A folder of text to train on; by default the standard library of this Python."""
    graph: GraphConfig = GraphConfig()
    """Who knows whom."""
    pool: PoolConfig = PoolConfig()
    """The GPUs."""
    work: WorkConfig = WorkConfig()
    """The training."""
    exam: ExamConfig = ExamConfig()
    """What post-training is for."""
    money: MoneyConfig = MoneyConfig()
    """The budget."""
    humans: HumansConfig = HumansConfig()
    """The gate that people keep."""
    minds: dict[str, tuple[str, ...]] = MINDS
    """Minds by role; an actor's number chooses among several."""
    notes: Literal["on", "off", "shuffled"] = "on"
    """Which notes minds get to see: those of the part ``notebook``; none; any, as a control."""
    service_edges: Literal["on", "off"] = "on"
    """``off``: who has no edge to a service reaches it from neighbour to neighbour."""
    fidelity: Literal["real", "surrogate"] = "real"
    """``surrogate`` answers jobs by formula, for tests of everything around them."""
    until: int | None = Field(default=30 * 86_400, gt=0)
    """Virtual seconds after which to stop, if the lab has not come to rest."""

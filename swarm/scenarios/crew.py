"""The crew of a research lab: which role each actor plays, built from the config.

Over 300 lines: it is the one place where every role meets the config, and holds nothing else.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import NamedTuple

from swarm.comms.graph import CoordinationGraph
from swarm.comms.subcontract import Carrier, NextHop, shortest_paths
from swarm.errors import UsageError
from swarm.gpu.cost import CostModel
from swarm.gpu.devices import Cluster, device_type, uniform_cluster
from swarm.gpu.mechanism import mechanism
from swarm.gpu.placement import Consolidate
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId
from swarm.kernel.rng import Stream
from swarm.kernel.roster import Roster
from swarm.pipeline.campaign import Means
from swarm.pipeline.evaluation.spec import N_BLOCKS
from swarm.pipeline.evidence import Gate
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_OPTIMIZER,
    Mixture,
)
from swarm.pipeline.research.state import Policy
from swarm.pipeline.standards import Standards
from swarm.pipeline.wire import codec
from swarm.roles.data_researcher import DataResearcher
from swarm.roles.devops import DevOps
from swarm.roles.director import Director
from swarm.roles.evaluator import Evaluator
from swarm.roles.gpu_broker import GpuBroker
from swarm.roles.integrator import Integrator
from swarm.roles.pretraining_researcher import Part, PretrainingResearcher
from swarm.roles.reviewer import Reviewer
from swarm.roles.treasury import Treasury
from swarm.scenarios.research_lab import ResearchLab
from swarm.units import CREDIT, DAY, HOUR, MINUTE, Credits, Flops, Ticks

PRETRAINING_PARTS: tuple[Part, ...] = (
    "architecture",
    "optimizer",
    "architecture",
    "optimizer",
    "checkpoint",
)
"""What pre-training researchers work on, in turn by number. Minds go round in fours (``MINDS``)."""

SEED_GATE = Gate(stages=(4, 8), alphas=(0.001, 0.002))
"""Looks of a review, in training seeds: the first of the gate that FACTS, section 4, measured."""

BLOCK_GATE = Gate(stages=(N_BLOCKS,), alphas=(0.001,))
"""One look of a checkpoint's review, in blocks of text."""

CARRIED_HOPS = 6
"""Without service edges: the longest way between two actors that deadlines allow for."""

PLAIN: dict[str, object] = {
    "filter": {"kind": "none"},
    "synthetic": {"kind": "none"},
    "curriculum": {"kind": "shuffled"},
    "objective": {"kind": "next_token"},
    "sft": {"kind": "none"},
    "environments": {"families": []},
    "reward": {"kind": "outcome"},
    "rl": {"kind": "none"},
    "decoder": {"kind": "reference"},
    "notebook": {"kind": "own_lines", "recall": "word_overlap"},
}
"""Generation 0 of the parts that no role works on in this lab."""


class Corpus(NamedTuple):
    """What the roles know of the corpus."""

    hash: str
    domains: tuple[str, ...]


class RoleBuilder:
    """Builds the role of any actor; travels to every shard.

    Args:
        config: The lab.
        corpus: What is trained on.
        graph: For routing where there are no service edges.
    """

    def __init__(self, config: ResearchLab, corpus: Corpus, graph: CoordinationGraph) -> None:
        self._config, self._corpus, self._graph = config, corpus, graph
        self._routes: NextHop | None = None

    def __getstate__(self) -> dict[str, object]:
        """Travels without its routes: they are computed anew where it arrives."""
        return {**self.__dict__, "_routes": None}

    def __call__(self, roster: Roster, actor: ActorId) -> AnyRole:
        """Returns the role of an actor."""
        role, _, number = actor.rpartition("-")
        built = self._build(role, int(number), roster)
        if self._config.service_edges == "on":
            return built
        return Carrier(built, next_hop=self._next_hop(roster), codec=codec())

    def _build(self, role: str, number: int, roster: Roster) -> AnyRole:
        builders: dict[str, Callable[[Roster, int], AnyRole]] = {
            "director": self._director,
            "treasury": self._treasury,
            "gpu_broker": self._broker,
            "integrator": self._integrator,
            "evaluator": self._evaluator,
            "reviewer": self._reviewer,
            "devops": self._devops,
            "data_researcher": self._data_researcher,
            "pretraining_researcher": self._pretraining_researcher,
        }
        if role not in builders:
            raise UsageError(what=f"no role is named {role!r}; roles are {', '.join(builders)}")
        return builders[role](roster, number)

    def _next_hop(self, roster: Roster) -> NextHop:
        if self._routes is None:
            self._routes = shortest_paths(self._graph, roster)
        return self._routes

    def _treasury(self, roster: Roster, _number: int) -> AnyRole:
        return Treasury(
            director=_only(roster, "director"),
            brokers=roster.of_role("gpu_broker"),
            budget=_credits(self._config.money.budget + self._config.money.review_budget),
        )

    def _devops(self, _roster: Roster, _number: int) -> AnyRole:
        return DevOps()

    def _evaluator(self, _roster: Roster, _number: int) -> AnyRole:
        return Evaluator(
            corpus=self._corpus.hash,
            price_per_score=_credits(self._config.money.evaluator_price),
            cost=self._cost,
            patience=self._patience,
            lookahead=Ticks(self._config.graph.latency),
        )

    def _reviewer(self, roster: Roster, number: int) -> AnyRole:
        return Reviewer(
            price=_credits(self._config.money.reviewer_price),
            standards=self._standards(roster, number, times_reserve=1),
            integrator=_only(roster, "integrator"),
            director=_only(roster, "director"),
            patience=self._patience,
        )

    def _integrator(self, roster: Roster, number: int) -> AnyRole:
        return Integrator(
            generation_0=self._generation_0,
            standards=self._standards(roster, number, times_reserve=2),
            base_seeds=self._config.work.base_seeds,
            checkpoint_flops=Flops(self._config.work.checkpoint_flops),
            reward=_credits(self._config.money.reward),
            director=_only(roster, "director"),
            everyone=_everyone_but(roster, "integrator"),
        )

    def _data_researcher(self, roster: Roster, number: int) -> AnyRole:
        return DataResearcher(
            policy=self._policy(roster), means=self._means(roster, number), cost=self._cost
        )

    def _pretraining_researcher(self, roster: Roster, number: int) -> AnyRole:
        return PretrainingResearcher(
            part=PRETRAINING_PARTS[number % len(PRETRAINING_PARTS)],
            policy=self._policy(roster),
            means=self._means(roster, number),
            cost=self._cost,
        )

    def _director(self, roster: Roster, _number: int) -> AnyRole:
        money = self._config.money
        parts: dict[str, tuple[ActorId, ...]] = {
            part: tuple(
                actor
                for number, actor in enumerate(roster.of_role("pretraining_researcher"))
                if PRETRAINING_PARTS[number % len(PRETRAINING_PARTS)] == part
            )
            for part in sorted(set(PRETRAINING_PARTS))
        }
        return Director(
            researchers={"mixture": roster.of_role("data_researcher"), **parts},
            integrator=_only(roster, "integrator"),
            treasury=_only(roster, "treasury"),
            everyone=_everyone_but(roster, "director"),
            budget=_credits(money.budget),
            capital=_credits(money.integrator_capital),
            grant=_credits(money.trial_grant),
            grants_per_epoch=money.grants_per_epoch,
            epoch=Ticks(money.epoch),
            reward=_credits(money.reward),
            review_budget=_credits(money.review_budget),
        )

    def _broker(self, roster: Roster, _number: int) -> AnyRole:
        pool = self._config.pool
        return GpuBroker(
            cluster=self._cluster,
            reserve=Credits(pool.reserve),
            mechanism=mechanism(pool.mechanism),
            placement=Consolidate(),
            round_every=Ticks(pool.round_every),
            treasury=_only(roster, "treasury"),
            devops=roster.of_role("devops"),
        )

    @cached_property
    def _cluster(self) -> Cluster:
        pool = self._config.pool
        return uniform_cluster(
            device_type(pool.device), nodes=pool.nodes, gpus_per_node=pool.gpus_per_node
        )

    @cached_property
    def _cost(self) -> CostModel:
        pool = self._config.pool
        return CostModel(
            device=device_type(pool.device),
            virtual_flops_per_flop=pool.virtual_flops_per_flop,
            mfu_percent=pool.mfu_percent,
        )

    def _policy(self, roster: Roster) -> Policy:
        work_ = self._config.work
        return Policy(
            corpus=self._corpus.hash,
            flops=Flops(work_.trial_flops),
            checkpoint_flops=Flops(work_.checkpoint_flops),
            max_params=work_.max_params,
            claim_threshold_bpb=work_.claim_threshold_bpb,
            review_price=_credits(self._config.money.reviewer_price),
            director=_only(roster, "director"),
            spare_percent=20,
            thinking=Ticks(10 * MINUTE),
            note_budget_chars=2_000,
        )

    def _means(self, roster: Roster, number: int, *, times_reserve: int = 1) -> Means:
        brokers = roster.of_role("gpu_broker")
        return Means(
            broker=brokers[number % len(brokers)],
            treasury=_only(roster, "treasury"),
            evaluators=roster.of_role("evaluator"),
            bid_per_gpu_tick=Credits(times_reserve * self._config.pool.reserve),
            max_price_per_score=_credits(self._config.money.evaluator_price),
            bidding_window=Ticks(5 * self._reach),
            patience=self._patience,
            lease_patience=Ticks(2 * DAY),
            scoring_seed=Stream(seed=self._config.seed, owner="lab", name="scoring").integer(2**31),
            lookahead=Ticks(self._reach),
        )

    @property
    def _reach(self) -> int:
        """Ticks within which a message reaches whom it is for."""
        hops = 1 if self._config.service_edges == "on" else CARRIED_HOPS
        return hops * self._config.graph.latency

    @property
    def _patience(self) -> Ticks:
        """How long is waited for an answer that takes no work: acceptance, escrow, settlement."""
        return Ticks(HOUR + 10 * self._reach)

    def _standards(self, roster: Roster, number: int, *, times_reserve: int) -> Standards:
        work_ = self._config.work
        return Standards(
            corpus=self._corpus.hash,
            flops=Flops(work_.trial_flops),
            max_params=work_.max_params,
            gate=SEED_GATE,
            block_gate=BLOCK_GATE,
            gpus=min(SEED_GATE.stages[0], self._config.pool.gpus_per_node),
            ticks=partial(self._cost.ticks, gpus=1),
            means=self._means(roster, number, times_reserve=times_reserve),
        )

    @cached_property
    def _generation_0(self) -> dict[str, object]:
        """Values of all parts; those that nobody works on yet are the plain way of doing it."""
        uniform = Mixture(weights=tuple((domain, 1.0) for domain in self._corpus.domains))
        worked_on = {
            "mixture": uniform,
            "architecture": GENERATION_0_ARCHITECTURE,
            "optimizer": GENERATION_0_OPTIMIZER,
        }
        return {**PLAIN, **worked_on}


def _only(roster: Roster, role: str) -> ActorId:
    return roster.of_role(role)[0]


def _everyone_but(roster: Roster, *roles: str) -> tuple[ActorId, ...]:
    ranks = range(len(roster))
    return tuple(roster.name(rank) for rank in ranks if roster.role(rank) not in roles)


def _credits(amount: float) -> Credits:
    return Credits(round(amount * CREDIT))

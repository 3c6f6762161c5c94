"""The outfit of a research lab: what its roles work with, from the config.

Cost model, standards, prices and patience, the values of generation 0. Who gets what stands in
``crew.py``.
"""

from functools import cached_property, partial
from typing import NamedTuple

from msgspec.structs import replace

from swarm.gpu.cost import CostModel
from swarm.gpu.devices import Cluster, device_type, uniform_cluster
from swarm.kernel.message import ActorId
from swarm.kernel.rng import Stream
from swarm.kernel.roster import Roster
from swarm.pipeline.campaign import Means
from swarm.pipeline.disciplines import DISCIPLINES, Benchmark
from swarm.pipeline.evaluation.spec import N_BLOCKS
from swarm.pipeline.evidence import Gate
from swarm.pipeline.harness.spec import GENERATION_0_NOTEBOOK
from swarm.pipeline.inference.spec import GENERATION_0_DECODER, Referee
from swarm.pipeline.measuring import Bench
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.recipes import (
    GENERATION_0_ENVIRONMENTS,
    GENERATION_0_REWARD,
    GENERATION_0_RL,
    GENERATION_0_SFT,
)
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_OPTIMIZER,
    Mixture,
)
from swarm.pipeline.research.state import Policy
from swarm.pipeline.standards import Standards
from swarm.scenarios.research_lab import ResearchLab
from swarm.units import CREDIT, DAY, HOUR, MINUTE, Credits, Flops, Ticks

SEED_GATE = Gate(stages=(4, 8), alphas=(0.001, 0.002))
"""Looks of a review, in training seeds: the first of the gate that FACTS, section 4, measured."""

REFEREE = Referee(artifact="", base=GENERATION_0_DECODER, candidate=GENERATION_0_DECODER, seed=0)
"""The longest measurement that an evaluator is asked for."""

CARRIED_HOPS = 6
"""Without service edges: the longest way between two actors that deadlines allow for."""

PLAIN: dict[str, object] = {
    "filter": {"kind": "none"},
    "synthetic": {"kind": "none"},
    "curriculum": {"kind": "shuffled"},
    "objective": {"kind": "next_token"},
}
"""Generation 0 of the parts that no role works on in this lab."""


class Corpus(NamedTuple):
    """What the roles know of the corpus."""

    hash: str
    domains: tuple[str, ...]


class Outfit:
    """What the roles of one lab work with.

    Args:
        config: The lab.
        corpus: What is trained on.
    """

    def __init__(self, config: ResearchLab, corpus: Corpus) -> None:
        self.config = config
        self.corpus = corpus

    @cached_property
    def cluster(self) -> Cluster:
        """The GPUs of one pool."""
        pool = self.config.pool
        return uniform_cluster(
            device_type(pool.device), nodes=pool.nodes, gpus_per_node=pool.gpus_per_node
        )

    @cached_property
    def cost(self) -> CostModel:
        """How long work takes."""
        pool = self.config.pool
        return CostModel(
            device=device_type(pool.device),
            virtual_flops_per_flop=pool.virtual_flops_per_flop,
            mfu_percent=pool.mfu_percent,
        )

    @cached_property
    def bench(self) -> Bench:
        """What evaluators measure on."""
        work, exam = self.config.work, self.config.exam
        return Bench(
            corpus=self.corpus.hash,
            n_blocks=N_BLOCKS,
            exam=tuple(
                EnvSpec(family=family, difficulty=exam.difficulty) for family in exam.families
            ),
            n_prompts=exam.prompts,
            n_practices=work.practices,
        )

    def policy(self, roster: Roster, part: str) -> Policy:
        """Returns how a researcher of a part works."""
        work, money = self.config.work, self.config.money
        return Policy(
            corpus=self.corpus.hash,
            flops=Flops(work.trial_flops),
            post_steps=work.post_steps,
            checkpoint_flops=Flops(work.checkpoint_flops),
            max_params=work.max_params,
            claim_threshold=work.claim_thresholds[DISCIPLINES[part].benchmark],
            build_price=credits(money.build_price),
            exam=self.bench.exam,
            review_price=credits(
                money.reviewer_price if DISCIPLINES[part].is_trained else money.light_review_price
            ),
            director=only(roster, "director"),
            spare_percent=20,
            thinking=Ticks(10 * MINUTE),
            notes=self.config.notes,
        )

    def means(self, roster: Roster, number: int, *, times_reserve: int = 1) -> Means:
        """Returns with whom an actor of that number works, and for how much."""
        brokers = roster.of_role("gpu_broker")
        return Means(
            broker=brokers[number % len(brokers)],
            treasury=only(roster, "treasury"),
            evaluators=roster.of_role("evaluator"),
            bid_per_gpu_tick=Credits(times_reserve * self.config.pool.reserve),
            max_price_per_score=credits(self.config.money.evaluator_price),
            bidding_window=Ticks(5 * self.reach),
            patience=self.patience,
            lease_patience=Ticks(2 * DAY),
            scoring_seed=Stream(seed=self.config.seed, owner="lab", name="scoring").integer(2**31),
            lookahead=Ticks(self.reach),
        )

    @property
    def reach(self) -> int:
        """Ticks within which a message reaches whom it is for."""
        hops = 1 if self.config.service_edges == "on" else CARRIED_HOPS
        return hops * self.config.graph.latency

    @property
    def patience(self) -> Ticks:
        """How long is waited for an answer that takes no work: acceptance, escrow, settlement."""
        return Ticks(HOUR + 10 * self.reach)

    def standards(self, roster: Roster, number: int, *, times_reserve: int) -> Standards:
        """Returns how claims are put to the test."""
        work = self.config.work
        return Standards(
            corpus=self.corpus.hash,
            flops=Flops(work.trial_flops),
            post_steps=work.post_steps,
            max_params=work.max_params,
            gates=self._gates,
            gpus=min(SEED_GATE.stages[0], self.config.pool.gpus_per_node),
            scoring=self.cost.ticks(REFEREE.cost(), 1),
            ticks=partial(self.cost.ticks, gpus=1),
            means=self.means(roster, number, times_reserve=times_reserve),
        )

    @cached_property
    def generation_0(self) -> dict[str, object]:
        """Values of all parts; those that nobody works on are the plain way of doing it."""
        uniform = Mixture(weights=tuple((domain, 1.0) for domain in self.corpus.domains))
        return {
            **PLAIN,
            "mixture": uniform,
            "architecture": GENERATION_0_ARCHITECTURE,
            "optimizer": GENERATION_0_OPTIMIZER,
            "sft": GENERATION_0_SFT,
            "environments": GENERATION_0_ENVIRONMENTS,
            "reward": GENERATION_0_REWARD,
            "rl": GENERATION_0_RL,
            "decoder": GENERATION_0_DECODER,
            "notebook": GENERATION_0_NOTEBOOK,
        }

    @cached_property
    def _gates(self) -> dict[Benchmark, Gate]:
        """Looks at seeds where models are trained, one look at all blocks elsewhere.

        The smallest gain worth finding is in the unit of the benchmark. Decoders are judged by an
        interval that their referee measures.
        """
        index, practices = self.config.exam.prompts, self.config.work.practices
        return {
            "bpb": SEED_GATE,
            "unsolved": replace(SEED_GATE, min_effect=0.02),
            "index": Gate(stages=(index,), alphas=(0.001,), min_effect=0.005),
            "regret": Gate(stages=(practices,), alphas=(0.001,), min_effect=0.01),
        }


def only(roster: Roster, role: str) -> ActorId:
    """Returns the one actor of a role that a lab has one of."""
    return roster.of_role(role)[0]


def credits(amount: float) -> Credits:
    """Returns an amount in micro-credits."""
    return Credits(round(amount * CREDIT))

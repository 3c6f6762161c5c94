"""The crew of a research lab: which role each actor plays, built from its outfit."""

from collections.abc import Callable

from swarm.comms.graph import CoordinationGraph
from swarm.comms.subcontract import Carrier, NextHop, shortest_paths
from swarm.errors import UsageError
from swarm.gpu.mechanism import mechanism
from swarm.gpu.placement import Consolidate
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId
from swarm.kernel.roster import Roster
from swarm.pipeline.disciplines import DISCIPLINES
from swarm.pipeline.posttraining.environments.planting import planted
from swarm.pipeline.posttraining.environments.spec import EXAMINATION_FLOPS
from swarm.pipeline.wire import codec
from swarm.roles import posttraining_researcher, pretraining_researcher
from swarm.roles.data_researcher import DataResearcher
from swarm.roles.devops import Commission, DevOps
from swarm.roles.director import Director
from swarm.roles.env_auditor import EnvAuditor
from swarm.roles.env_builder import EnvBuilder
from swarm.roles.evaluator import Evaluator
from swarm.roles.gpu_broker import GpuBroker
from swarm.roles.harness_engineer import HarnessEngineer
from swarm.roles.human import Human
from swarm.roles.integrator import Integrator
from swarm.roles.kernel_engineer import KernelEngineer
from swarm.roles.posttraining_researcher import PosttrainingResearcher
from swarm.roles.pretraining_researcher import PretrainingResearcher
from swarm.roles.reviewer import Reviewer
from swarm.roles.treasury import Treasury
from swarm.scenarios.outfit import Outfit, credits, only
from swarm.units import Credits, Flops, Ticks

PRETRAINING_PARTS: tuple[pretraining_researcher.Part, ...] = (
    "architecture",
    "optimizer",
    "architecture",
    "optimizer",
    "checkpoint",
)
"""What pre-training researchers work on, in turn by number. Minds go round in fours (``MINDS``)."""

POSTTRAINING_PARTS: tuple[posttraining_researcher.Part, ...] = (
    "environments",
    "sft",
    "environments",
    "rl",
    "sft",
    "reward",
)
"""What post-training researchers work on, in turn by number."""

PARTS_OF: dict[str, tuple[str, ...]] = {
    "data_researcher": ("mixture",),
    "pretraining_researcher": PRETRAINING_PARTS,
    "posttraining_researcher": POSTTRAINING_PARTS,
    "kernel_engineer": ("decoder",),
    "harness_engineer": ("notebook",),
}
"""Who works on what, in turn by number."""


class RoleBuilder:
    """Builds the role of any actor; travels to every shard.

    Args:
        outfit: What the roles work with.
        graph: For routing where there are no service edges.
    """

    def __init__(self, outfit: Outfit, graph: CoordinationGraph) -> None:
        self._outfit, self._graph = outfit, graph
        self._routes: NextHop | None = None

    def __getstate__(self) -> dict[str, object]:
        """Travels without its routes: they are computed anew where it arrives."""
        return {**self.__dict__, "_routes": None}

    def __call__(self, roster: Roster, actor: ActorId) -> AnyRole:
        """Returns the role of an actor."""
        role, _, number = actor.rpartition("-")
        built = self._build(role, int(number), roster)
        if self._outfit.config.service_edges == "on":
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
            "posttraining_researcher": self._posttraining_researcher,
            "env_builder": self._env_builder,
            "env_auditor": self._env_auditor,
            "human": self._human,
            "kernel_engineer": self._kernel_engineer,
            "harness_engineer": self._harness_engineer,
        }
        if role not in builders:
            raise UsageError(what=f"no role is named {role!r}; roles are {', '.join(builders)}")
        return builders[role](roster, number)

    def _next_hop(self, roster: Roster) -> NextHop:
        if self._routes is None:
            self._routes = shortest_paths(self._graph, roster)
        return self._routes

    def _treasury(self, roster: Roster, _number: int) -> AnyRole:
        money = self._outfit.config.money
        return Treasury(
            director=only(roster, "director"),
            brokers=roster.of_role("gpu_broker"),
            budget=credits(money.budget + money.review_budget + money.bounty_budget),
        )

    def _devops(self, roster: Roster, number: int) -> AnyRole:
        """Everyone on duty burns in its share of the nodes."""
        on_duty = roster.of_role("devops")
        nodes = [
            Commission(broker, node.name)
            for broker in roster.of_role("gpu_broker")
            for node in self._outfit.cluster.nodes
        ]
        return DevOps(
            commissions=nodes[number :: len(on_duty)],
            burn_in=Ticks(self._outfit.config.pool.burn_in),
        )

    def _evaluator(self, _roster: Roster, _number: int) -> AnyRole:
        outfit = self._outfit
        return Evaluator(
            bench=outfit.bench,
            price_per_score=credits(outfit.config.money.evaluator_price),
            cost=outfit.cost,
            patience=outfit.patience,
            lookahead=Ticks(outfit.config.graph.latency),
        )

    def _reviewer(self, roster: Roster, number: int) -> AnyRole:
        outfit = self._outfit
        return Reviewer(
            price=credits(outfit.config.money.reviewer_price),
            light_price=credits(outfit.config.money.light_review_price),
            standards=outfit.standards(roster, number, times_reserve=1),
            integrator=only(roster, "integrator"),
            director=only(roster, "director"),
            patience=outfit.patience,
        )

    def _integrator(self, roster: Roster, number: int) -> AnyRole:
        outfit = self._outfit
        return Integrator(
            generation_0=outfit.generation_0,
            standards=outfit.standards(roster, number, times_reserve=2),
            base_seeds=outfit.config.work.base_seeds,
            checkpoint_flops=Flops(outfit.config.work.checkpoint_flops),
            reward=credits(outfit.config.money.reward),
            director=only(roster, "director"),
            everyone=_everyone_but(roster, "integrator"),
            humans=roster.of_role("human"),
        )

    def _data_researcher(self, roster: Roster, number: int) -> AnyRole:
        outfit = self._outfit
        return DataResearcher(
            policy=outfit.policy(roster, "mixture"),
            means=outfit.means(roster, number),
            cost=outfit.cost,
        )

    def _pretraining_researcher(self, roster: Roster, number: int) -> AnyRole:
        outfit, part = self._outfit, PRETRAINING_PARTS[number % len(PRETRAINING_PARTS)]
        return PretrainingResearcher(
            part=part,
            policy=outfit.policy(roster, part),
            means=outfit.means(roster, number),
            cost=outfit.cost,
        )

    def _posttraining_researcher(self, roster: Roster, number: int) -> AnyRole:
        outfit, part = self._outfit, POSTTRAINING_PARTS[number % len(POSTTRAINING_PARTS)]
        return PosttrainingResearcher(
            part=part,
            policy=outfit.policy(roster, part),
            means=outfit.means(roster, number),
            cost=outfit.cost,
        )

    def _env_builder(self, roster: Roster, number: int) -> AnyRole:
        outfit = self._outfit
        return EnvBuilder(
            price=credits(outfit.config.money.build_price),
            takes=outfit.cost.ticks(EXAMINATION_FLOPS, 1),
            director=only(roster, "director"),
            patience=outfit.patience,
            # One builder offers what pays for wrong answers: auditors are to find it.
            stock=(planted(outfit.config.seed),) if number == 0 else (),
        )

    def _env_auditor(self, roster: Roster, _number: int) -> AnyRole:
        return EnvAuditor(
            director=only(roster, "director"),
            takes=self._outfit.cost.ticks(EXAMINATION_FLOPS, 1),
        )

    def _human(self, _roster: Roster, _number: int) -> AnyRole:
        humans = self._outfit.config.humans
        return Human(
            gate=humans.gate, policy=humans.policy == "approve", thinking=Ticks(humans.thinking)
        )

    def _kernel_engineer(self, roster: Roster, number: int) -> AnyRole:
        outfit = self._outfit
        return KernelEngineer(
            policy=outfit.policy(roster, "decoder"),
            means=outfit.means(roster, number),
            cost=outfit.cost,
        )

    def _harness_engineer(self, roster: Roster, number: int) -> AnyRole:
        outfit = self._outfit
        return HarnessEngineer(
            policy=outfit.policy(roster, "notebook"),
            means=outfit.means(roster, number),
            cost=outfit.cost,
        )

    def _director(self, roster: Roster, _number: int) -> AnyRole:
        money = self._outfit.config.money
        return Director(
            researchers=who_works_on(roster),
            integrator=only(roster, "integrator"),
            treasury=only(roster, "treasury"),
            everyone=_everyone_but(roster, "director"),
            budget=credits(money.budget),
            capital=credits(money.integrator_capital),
            grant=credits(money.trial_grant),
            grants={
                part: credits(money.light_grant)
                for part, one in DISCIPLINES.items()
                if one.benchmark in ("decode", "regret")
            },
            grants_per_epoch=money.grants_per_epoch,
            epoch=Ticks(money.epoch),
            reward=credits(money.reward),
            review_budget=credits(money.review_budget),
            scales={
                part: self._outfit.config.work.claim_thresholds[one.benchmark]
                for part, one in DISCIPLINES.items()
            },
            auditors=roster.of_role("env_auditor"),
            traders=(*roster.of_role("env_builder"), *who_works_on(roster).get("environments", ())),
            bounty=credits(money.bounty),
            bounty_budget=credits(money.bounty_budget),
        )

    def _broker(self, roster: Roster, _number: int) -> AnyRole:
        pool = self._outfit.config.pool
        return GpuBroker(
            cluster=self._outfit.cluster,
            reserve=Credits(pool.reserve),
            mechanism=mechanism(pool.mechanism),
            placement=Consolidate(),
            round_every=Ticks(pool.round_every),
            treasury=only(roster, "treasury"),
            devops=roster.of_role("devops"),
        )


def who_works_on(roster: Roster) -> dict[str, tuple[ActorId, ...]]:
    """Returns the actors that work on each part, by rank; parts without any are left out."""
    found: dict[str, list[ActorId]] = {}
    for role, parts in PARTS_OF.items():
        for number, actor in enumerate(roster.of_role(role)):
            found.setdefault(parts[number % len(parts)], []).append(actor)
    return {part: tuple(actors) for part, actors in found.items()}


def _everyone_but(roster: Roster, *roles: str) -> tuple[ActorId, ...]:
    ranks = range(len(roster))
    return tuple(roster.name(rank) for rank in ranks if roster.role(rank) not in roles)

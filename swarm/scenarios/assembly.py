"""From a research lab's config to a blueprint: corpus, graph, pool, roles and minds."""

from collections.abc import Mapping
from functools import partial

from swarm.comms.graph import CoordinationGraph, build
from swarm.comms.messages import work
from swarm.errors import UsageError
from swarm.kernel.rng import Stream
from swarm.kernel.roster import Roster
from swarm.pipeline.pretraining.corpus import build_corpus
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.jobs import load_mind
from swarm.runtime.launch import Options, Perform, Result
from swarm.scenarios import gauges, outcome
from swarm.scenarios.crew import Corpus, RoleBuilder
from swarm.scenarios.lab import Lab
from swarm.scenarios.research_lab import SERVICES, SINGLE, ResearchLab
from swarm.units import CREDIT, Ticks


def research_lab(name: str, config: ResearchLab) -> Lab:
    """Returns the lab of a config.

    Raises:
        UsageError: If there are too few or too many actors of a role.
    """
    for role in (*SERVICES, "devops"):
        if not config.roles.get(role):
            raise UsageError(what=f"--role {role}=0: this lab needs at least one {role}")
    for role in SINGLE:
        if config.roles[role] != 1:
            raise UsageError(what=f"--role {role}={config.roles[role]}: a lab has one {role}")
    for mind in sorted({mind for minds in config.minds.values() for mind in minds}):
        load_mind(mind)
    corpora: dict[str, str] = {}
    return Lab(
        config=config,
        build=partial(_blueprint, name, config, corpora),
        finish=partial(_finish, config, corpora),
        tell=outcome.tell,
    )


def _blueprint(
    name: str, config: ResearchLab, corpora: dict[str, str], options: Options
) -> Blueprint:
    info = build_corpus(config.corpus, options.corpus_dir, config.seed)
    corpora["hash"] = info.hash
    roster = Roster(config.roles.items())
    graph = _graph(config, roster)
    builder = RoleBuilder(config, Corpus(info.hash, info.domain_names), graph)
    for role, _ in roster.counts:  # so that a mistake in the config is found here, not on a shard
        builder(roster, roster.of_role(role)[0])
    return Blueprint(
        scenario=name,
        config={**config.model_dump(mode="json"), "corpus_hash": info.hash},
        seed=config.seed,
        roster=tuple(config.roles.items()),
        graph=graph,
        build_role=builder,
        first=work.Start(),
        services=SERVICES if config.service_edges == "on" else (),
        latency=config.graph.latency,
        lookahead=config.graph.latency,
        until=config.until,
        minds=config.minds,
        watch=(*outcome.WATCH, *gauges.WATCH),
        gauges=partial(
            gauges.gauges,
            config.pool.nodes * config.pool.gpus_per_node * config.roles["gpu_broker"],
            round((config.money.budget + config.money.review_budget) * CREDIT),
        ),
        fidelity=config.fidelity,
        stages=("pretraining", "evaluation"),
    )


def _finish(
    config: ResearchLab, corpora: Mapping[str, str], result: Result, perform: Perform
) -> dict[str, object]:
    return outcome.finish(config, corpora["hash"], result, perform)


def _graph(config: ResearchLab, roster: Roster) -> CoordinationGraph:
    """Draws the graph. Ranks run through the roles, and near ranks are near in many topologies.

    So actors are seated at random first: otherwise everybody's neighbours would be of one role. In
    an edge list everybody has a place by name, and keeps it.
    """
    latency = Ticks(config.graph.latency)
    graph = build(
        config.graph.topology,
        n=len(roster),
        seed=config.seed,
        latency=latency,
        lookahead=latency,
        params=config.graph.params,
        names=[roster.name(rank) for rank in range(len(roster))],
    )
    if config.graph.topology == "edge_list":
        return graph
    seats = Stream(seed=config.seed, owner="lab", name="seats").shuffled(range(len(roster)))
    return graph.seated(seats)

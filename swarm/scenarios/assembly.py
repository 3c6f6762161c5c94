"""From a research lab's config to a blueprint: corpus, graph, pool, roles and minds."""

from collections.abc import Mapping
from functools import partial

from swarm.comms.graph import CoordinationGraph, build
from swarm.comms.messages import work
from swarm.errors import UsageError
from swarm.kernel.rng import Stream
from swarm.kernel.roster import Roster
from swarm.minds.human import PERSON
from swarm.pipeline.pretraining.corpus import BENCHMARK, build_corpus
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.jobs import load_mind
from swarm.runtime.launch import Options, Perform, Result
from swarm.scenarios import gauges, outcome
from swarm.scenarios.crew import RoleBuilder
from swarm.scenarios.lab import Lab
from swarm.scenarios.outfit import Corpus, Outfit
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
        build=partial(_build, name, config, corpora),
        restore=partial(_restore, name, config),
        finish=partial(_finish, config, corpora),
        tell=outcome.tell,
    )


def _build(name: str, config: ResearchLab, corpora: dict[str, str], options: Options) -> Blueprint:
    info = build_corpus(config.corpus, options.corpus_dir, config.seed)
    corpora["hash"] = info.hash
    return _blueprint(name, config, Corpus(info.hash, info.domain_names))


def _restore(name: str, config: ResearchLab, recorded: Mapping[str, object]) -> Blueprint:
    """Makes the blueprint of a run that was: its corpus need not be here."""
    corpus, domains = recorded.get("corpus_hash"), recorded.get("corpus_domains")
    if not isinstance(corpus, str):
        raise UsageError(what="the manifest does not say which corpus the run had")
    # Before the manifest named them, domains were always those of the default corpus.
    names = domains if isinstance(domains, list) else [domain for domain, _ in BENCHMARK]
    return _blueprint(name, config, Corpus(corpus, tuple(map(str, names))))


def _blueprint(name: str, config: ResearchLab, corpus: Corpus) -> Blueprint:
    roster = Roster(config.roles.items())
    graph = _graph(config, roster)
    builder = RoleBuilder(Outfit(config, corpus), graph)
    for role, _ in roster.counts:  # so that a mistake in the config is found here, not on a shard
        builder(roster, roster.of_role(role)[0])
    return Blueprint(
        scenario=name,
        config={
            **config.model_dump(mode="json"),
            "corpus_hash": corpus.hash,
            "corpus_domains": list(corpus.domains),
        },
        seed=config.seed,
        roster=tuple(config.roles.items()),
        graph=graph,
        build_role=builder,
        first=work.Start(),
        services=SERVICES if config.service_edges == "on" else (),
        latency=config.graph.latency,
        lookahead=config.graph.latency,
        until=config.until,
        minds=_minds(config),
        person_deadline=config.humans.deadline,
        watch=(*outcome.WATCH, *gauges.WATCH),
        gauges=partial(
            gauges.gauges,
            config.pool.nodes * config.pool.gpus_per_node * config.roles["gpu_broker"],
            round((config.money.budget + config.money.review_budget) * CREDIT),
        ),
        fidelity=config.fidelity,
        stages=("pretraining", "evaluation"),
    )


def _minds(config: ResearchLab) -> dict[str, tuple[str, ...]]:
    """Returns the minds by role; where a gate is kept a person answers, if nobody else is named."""
    person = {} if config.humans.gate == "none" else {"human": (PERSON,)}
    return {**person, **config.minds}


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

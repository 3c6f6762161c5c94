"""Big run: one long training run, and devops actors that keep it alive.

By default 2,048 nodes of 8 GPUs train for 54 virtual days under the failures of Llama 3 405B, with
a few small jobs beside it and 64 spare nodes for all. The ablations are flags: ``--set devops=off``
leaves everything to a human who is called, ``--set lemon_eviction=off`` forgets the history of
nodes, ``--set checkpoint_interval_s=N`` fixes what devops otherwise choose.

The runs report by exception, so 54 days of 16,384 GPUs are some ten thousand messages, most of them
checkpoints.
"""

from functools import partial

from swarm.comms.graph import build
from swarm.comms.messages import work
from swarm.gpu.faults.hazard import PER_1000
from swarm.gpu.posting import Policy, Posting, new_state
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId
from swarm.kernel.roster import Roster
from swarm.roles.devops import DevOps
from swarm.roles.fault_source import FaultSource
from swarm.roles.node_monitor import NodeMonitor
from swarm.roles.training_run import TrainingRun
from swarm.roles.treasury import Treasury
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Options
from swarm.scenarios import big_run_outcome as outcome
from swarm.scenarios.big_run_config import COUNTS, SINGLE, BigRun
from swarm.scenarios.config import configure
from swarm.scenarios.entry import Front
from swarm.scenarios.lab import Lab
from swarm.units import CREDIT, Credits, Ticks

HALL = ActorId("fault_source-0")
MONITOR = ActorId("node_monitor-0")
TREASURY = ActorId("treasury-0")


def lab(**overrides: object) -> Lab:
    """Builds the lab; keyword arguments are keys of ``BigRun``."""
    config = configure(BigRun, overrides)
    plan = outcome.Plan(
        runs=tuple(config.runs),
        gpus_per_node=config.gpus_per_node,
        horizon_s=config.horizon_s,
        hazard=config.hazard(),
        own_failures=config.own_failures(),
        site=config.ops.site(),
        table=config.table(),
        interval_s=config.interval_s(config.hazard().run_per_day(config.nodes)),
    )
    return Lab(
        config=config,
        build=partial(_blueprint, config),
        finish=partial(outcome.finish, plan),
        tell=outcome.tell,
    )


def _crew(config: BigRun) -> tuple[str, int]:
    """Returns who minds the site: devops actors, or a pager that calls a human."""
    return ("devops", config.roles["devops"]) if config.devops == "on" else ("pager", 1)


def _blueprint(config: BigRun, _options: Options) -> Blueprint:
    counts = (
        ("training_run", 1),
        ("small_run", len(config.small_jobs)),
        ("fault_source", 1),
        ("node_monitor", 1),
        _crew(config),
        ("treasury", 1),
    )
    roster = tuple(pair for pair in counts if pair[1])
    return Blueprint(
        scenario="big_run",
        config=config.model_dump(mode="json"),
        seed=config.seed,
        roster=roster,
        graph=build("complete", n=sum(n for _, n in roster), seed=config.seed, latency=Ticks(1)),
        build_role=partial(_role, config),
        first=work.Start(),
        watch=outcome.WATCH,
    )


def _role(config: BigRun, _roster: Roster, actor: ActorId) -> AnyRole:
    site = config.ops.site()
    crew, _ = _crew(config)
    on_duty = ActorId(f"{crew}-0")
    match actor.rpartition("-")[0]:
        case "training_run" | "small_run":
            nodes = dict(config.runs)[actor]
            assumed = config.assumed_per_1000_node_days / PER_1000 * nodes
            return TrainingRun(
                nodes=nodes,
                hall=HALL,
                monitor=MONITOR,
                on_duty=on_duty,
                interval_s=config.interval_s(assumed),
                horizon_s=config.horizon_s,
                site=site,
            )
        case "fault_source":
            return FaultSource(
                hazard=config.hazard(),
                runs=config.runs,
                spares=config.spares,
                monitor=MONITOR,
                crew=on_duty,
                site=site,
                horizon_s=config.horizon_s,
                own_failures=config.own_failures(),
            )
        case "node_monitor":
            return NodeMonitor(on_duty=on_duty, site=site)
        case "treasury":
            return Treasury(director=on_duty, brokers=(), budget=_budget(config))
        case _:
            return _devops(config, actor)


def _devops(config: BigRun, actor: ActorId) -> DevOps:
    policy = Policy(
        table=config.table(),
        evicts_lemons=config.lemon_eviction == "on" and config.devops == "on",
        chooses_interval=config.checkpoint_interval_s is None and config.devops == "on",
        assumed_per_1000_node_days=config.assumed_per_1000_node_days,
    )
    crew, n_crew = _crew(config)
    everybody = [ActorId(f"{crew}-{i}") for i in range(n_crew)]
    seated = sum(nodes for _, nodes in config.runs)
    is_on_duty = actor == everybody[0]
    return DevOps(
        posting=Posting(
            is_on_duty=is_on_duty,
            colleagues=tuple(one for one in everybody if one != actor),
            hall=HALL,
            monitor=MONITOR,
            treasury=TREASURY,
            site=config.ops.site(),
            policy=policy,
            budget=_budget(config),
        ),
        operations=new_state(
            config.runs if is_on_duty else (),
            range(seated, seated + config.spares) if is_on_duty else (),
        ),
    )


def _budget(config: BigRun) -> Credits:
    return Credits(round(config.ops.budget * CREDIT))


if __name__ == "__main__":
    Front("big_run", lab=lab, counts=COUNTS, single=SINGLE).main()

import msgspec
import pytest

from swarm.comms.messages import incident, work
from swarm.comms.messages import treasury as money
from swarm.comms.messages.incident import NO_NODE
from swarm.gpu.faults.categories import CATEGORIES
from swarm.gpu.faults.hazard import Hazard, JobFailures, Lemons
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, ContractId, Message
from swarm.kernel.role import Context, Role
from swarm.roles.fault_source import Broken, FaultSource, FaultSourceState, Inbox
from swarm.testing import FakeContext
from swarm.units import DAY, Credits, Ticks

ME, MONITOR, CREW = ActorId("fault_source-0"), ActorId("node_monitor-0"), ActorId("devops-0")
BIG, SMALL = ActorId("training_run-0"), ActorId("small_run-0")
CASE, ORDER = ContractId("node_monitor-0/1"), ContractId("devops-0/order-1")
QUIET = Hazard(per_node_day=0.0, shares=(("faulty_gpu", 1.0),))
SPARE = 12


def make(hazard: Hazard = QUIET, **facts: object) -> tuple[FaultSource, FakeContext]:
    """Makes a hall with nodes 0 to 7 in the big run, 8 to 11 in the small one, and a spare."""
    whole = {"site": Site(), "horizon_s": 30 * DAY, **facts}
    role = FaultSource(
        hazard=hazard,
        runs=[(BIG, 8), (SMALL, 4)],
        spares=1,
        monitor=MONITOR,
        crew=CREW,
        **whole,  # type: ignore[arg-type]  # of any type
    )
    _: Role[Inbox] = role
    ctx = FakeContext(me=ME)
    _ctx: Context = ctx
    role.receive(work.Start(), ctx)
    return role, ctx


def fault(category: str, *, node: int, number: int = 1, source: str = "nodes") -> incident.FaultDue:
    return incident.FaultDue(fault=number, source=source, category=category, node=node, signature=0)


def finish_work(role: FaultSource, ctx: FakeContext) -> None:
    for message in ctx.jump():
        role.receive(message, ctx)  # type: ignore[arg-type]  # its own timers


def struck(ctx: FakeContext, run: ActorId) -> list[tuple[int, str, bool]]:
    return [
        (one.fault, one.effect, one.is_again)
        for one in ctx.told(run)
        if isinstance(one, incident.Struck)
    ]


def running(*, leave: tuple[int, ...] = (), join: tuple[int, ...] = ()) -> incident.Running:
    return incident.Running(run=BIG, contract=CASE, leave=leave, join=join)


def test_a_fault_meets_the_run_of_its_node_and_shows_in_the_instruments() -> None:
    role, ctx = make()

    role.receive(fault("faulty_gpu", node=9), ctx)

    assert struck(ctx, SMALL) == [(1, "crash", False)]
    assert struck(ctx, BIG) == []
    seen = incident.Symptom(run=SMALL, kind="xid", node=9, value=79)
    assert ctx.told(MONITOR) == [seen]


def test_nobody_is_told_the_category() -> None:
    """The truth stands in the fault source's own timers and state, and nowhere else."""
    hazard = Hazard(
        per_node_day=5.0,
        shares=tuple((name, 1.0) for name in CATEGORIES),
        job_failures=JobFailures(one_node_per_day=0.5, exponent=1.0, largest_nodes=8),
        storms_per_day=0.2,
        storm_nodes=3,
    )
    role, ctx = make(hazard)

    for _ in range(200):
        finish_work(role, ctx)

    told = [message for kind, *_, message in ctx.drain() if kind == "tell"]
    assert len(told) > 20  # soon all nodes are broken
    assert {type(message) for message in told} == {incident.Struck, incident.Symptom}
    assert not {"category", "signature"} & {
        name
        for message in told
        for name in type(message).__struct_fields__  # type: ignore[attr-defined]
    }


def test_a_fault_of_a_node_out_of_service_comes_to_nothing() -> None:
    role, ctx = make()

    role.receive(fault("faulty_gpu", node=SPARE), ctx)

    assert (ctx.drain(), role.state.broken) == ([], {})


def test_a_broken_node_breaks_the_run_again_when_it_starts() -> None:
    role, ctx = make()
    role.receive(fault("faulty_gpu", node=3), ctx)
    ctx.drain()

    role.receive(running(), ctx)

    assert struck(ctx, BIG) == [(1, "crash", True)]


def test_without_that_node_it_does_not() -> None:
    role, ctx = make()
    role.receive(fault("faulty_gpu", node=3), ctx)
    ctx.drain()

    role.receive(running(leave=(3,), join=(SPARE,)), ctx)

    assert struck(ctx, BIG) == []
    role.receive(fault("faulty_gpu", node=SPARE, number=2), ctx)
    assert struck(ctx, BIG) == [(2, "crash", False)]


def test_a_fault_of_the_job_is_gone_with_a_restart() -> None:
    role, ctx = make()
    role.receive(fault("software", node=3), ctx)
    ctx.drain()

    role.receive(running(), ctx)

    assert struck(ctx, BIG) == []


def test_a_lemons_fault_is_gone_when_somebody_looks() -> None:
    role, ctx = make()

    role.receive(fault("faulty_gpu", node=3, source="lemons"), ctx)

    assert struck(ctx, BIG) == [(1, "crash", False)]
    assert role.state.broken == {}


def test_a_new_machine_in_a_lemons_place_is_none() -> None:
    role, ctx = make()
    role.receive(incident.Order(contract=ORDER, work="new", node=3), ctx)
    role.receive(money.Secured(contract=ORDER, amount=Credits(9)), ctx)
    finish_work(role, ctx)
    ctx.drain()

    role.receive(fault("faulty_gpu", node=3, source="lemons"), ctx)

    assert ctx.drain() == []


def test_a_storm_meets_many_nodes_with_one_fault() -> None:
    hazard = msgspec.structs.replace(QUIET, storms_per_day=1e-9, storm_nodes=6)
    role, ctx = make(hazard)

    role.receive(fault("power_outage", node=5, source="storms"), ctx)

    assert struck(ctx, BIG) == [(1, "crash", False)] * 3
    assert struck(ctx, SMALL) == [(1, "crash", False)] * 3
    assert sorted(role.state.broken) == [5, 6, 7, 8, 9, 10]


def test_a_test_of_the_gang_finds_what_is_broken_there_alone() -> None:
    role, ctx = make(site=Site(test_finds=1.0))
    for number, node in enumerate((3, 6, 9)):
        role.receive(fault("faulty_gpu", node=node, number=number), ctx)
    ctx.drain()

    role.receive(incident.Examine(contract=CASE, run=BIG), ctx)
    finish_work(role, ctx)

    report = incident.Examined(contract=CASE, run=BIG, node=NO_NODE, failed=(3, 6))
    assert ctx.told(CREW) == [report]


@pytest.mark.parametrize(("is_thorough", "failed"), [(False, ()), (True, (3,))])
def test_a_test_may_overlook_what_a_human_finds(
    failed: tuple[int, ...], *, is_thorough: bool
) -> None:
    role, ctx = make(site=Site(test_finds=0.0))
    role.receive(fault("faulty_gpu", node=3), ctx)
    ctx.drain()

    role.receive(incident.Examine(contract=CASE, run=BIG, is_thorough=is_thorough), ctx)
    finish_work(role, ctx)

    (report,) = ctx.told(CREW)
    assert isinstance(report, incident.Examined)
    assert report.failed == failed


def test_a_reboot_cures_some_faults_and_says_the_same_of_all() -> None:
    role, ctx = make()
    role.receive(fault("host_maintenance", node=3), ctx)
    role.receive(fault("power_supply", node=4, number=2), ctx)
    ctx.drain()

    for node in (3, 4):
        role.receive(incident.Reboot(contract=CASE, node=node), ctx)
    finish_work(role, ctx)

    assert ctx.told(CREW) == [incident.Rebooted(contract=CASE, node=node) for node in (3, 4)]
    assert list(role.state.broken) == [4]


def test_a_repair_begins_when_it_is_paid_for() -> None:
    role, ctx = make()
    role.receive(fault("power_supply", node=4), ctx)
    ctx.drain()

    role.receive(incident.Order(contract=ORDER, work="repair", node=4), ctx)
    assert ctx.jump() == []
    role.receive(money.Secured(contract=ORDER, amount=Credits(7)), ctx)
    finish_work(role, ctx)

    delivered: Message = incident.Delivered(contract=ORDER, node=4, cost=Credits(7))
    assert ctx.told(CREW) == [delivered]
    assert role.state.broken == {}


def test_what_breaks_does_not_depend_on_what_devops_do() -> None:
    hazard = Hazard(per_node_day=0.5, shares=(("faulty_gpu", 1.0), ("software", 1.0)))
    plans = []
    for is_minded in (False, True):
        role, ctx = make(hazard)
        plan = []
        for _ in range(60):
            for message in ctx.jump():
                if isinstance(message, incident.FaultDue):
                    plan.append((ctx.now, message))
                    role.receive(message, ctx)
                    if is_minded:
                        role.receive(running(leave=(message.node,), join=(SPARE,)), ctx)
        plans.append(plan)

    assert plans[0] == plans[1]
    assert len(plans[0]) == 60


def test_nothing_breaks_after_the_horizon() -> None:
    hazard = Hazard(per_node_day=1_000.0, shares=(("faulty_gpu", 1.0),))
    role, ctx = make(hazard, horizon_s=600)

    while timers := ctx.jump():
        for message in timers:
            role.receive(message, ctx)  # type: ignore[arg-type]  # its own timers

    assert 0 < ctx.now < 600


def test_lemons_are_drawn_as_many_as_declared() -> None:
    lemons = Lemons(share_of_nodes=0.25, share_of_faults=0.9)
    hazard = Hazard(per_node_day=0.1, shares=(("faulty_gpu", 1.0),), lemons=lemons)

    role, _ = make(hazard)

    assert len(set(role.state.lemons)) == 3


def test_an_ended_run_has_no_nodes_any_more() -> None:
    role, ctx = make()
    ended = incident.Ended(
        run=BIG,
        nodes=8,
        elapsed_s=1,
        effective_s=1.0,
        saving_s=0,
        down_s=0,
        redone_s=0.0,
        starts=1,
        interval_s=1,
    )

    role.receive(ended, ctx)
    role.receive(fault("faulty_gpu", node=0), ctx)

    assert ctx.drain() == []


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    role, ctx = make()
    role.receive(fault("faulty_gpu", node=3), ctx)
    role.receive(incident.Order(contract=ORDER, work="new", node=3), ctx)
    ctx.now = Ticks(5)

    stored = msgspec.msgpack.encode(role.state)

    assert msgspec.msgpack.decode(stored, type=FaultSourceState) == role.state
    assert role.state.broken == {3: Broken(1, "faulty_gpu", 0)}

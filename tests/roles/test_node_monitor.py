import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.messages import incident, work
from swarm.comms.messages.incident import NO_NODE
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context, Role
from swarm.roles.node_monitor import Inbox, NodeMonitor, NodeMonitorState
from swarm.testing import FakeContext
from swarm.units import Ticks

ME, DUTY, RUN = ActorId("node_monitor-0"), ActorId("devops-0"), ActorId("training_run-0")
SITE = Site(heartbeat_timeout_s=30, gather_s=45, hang_rule_s=600, slow_window_s=1_800)
FIRST = ContractId("node_monitor-0/1")


def make() -> tuple[NodeMonitor, FakeContext]:
    role = NodeMonitor(on_duty=DUTY, site=SITE)
    _: Role[Inbox] = role
    ctx = FakeContext(me=ME)
    _ctx: Context = ctx
    role.receive(work.Start(), ctx)
    return role, ctx


def symptom(kind: str, *, node: int = NO_NODE, value: float = 0.0) -> incident.Symptom:
    return msgspec.convert(
        {"type": "incident.symptom", "run": RUN, "kind": kind, "node": node, "value": value},
        incident.Symptom,
    )


def until(role: NodeMonitor, ctx: FakeContext, tick: int) -> None:
    while ctx.timers and min(at for at, _ in ctx.timers) <= tick:
        for message in ctx.jump():
            role.receive(message, ctx)  # type: ignore[arg-type]  # its own timers
    ctx.now = Ticks(tick)


def alarms(ctx: FakeContext) -> list[tuple[ContractId, list[str]]]:
    return [
        (one.contract, [shown.kind for shown in one.symptoms])
        for one in ctx.told(DUTY)
        if isinstance(one, incident.Alarm)
    ]


def running() -> incident.Running:
    return incident.Running(run=RUN, contract=ContractId(""))


def test_symptoms_that_belong_together_make_one_alarm() -> None:
    role, ctx = make()

    role.receive(symptom("exited"), ctx)
    role.receive(symptom("heartbeat_lost", node=3), ctx)
    until(role, ctx, 44)
    assert alarms(ctx) == []
    until(role, ctx, 45)

    assert alarms(ctx) == [(FIRST, ["exited", "heartbeat_lost"])]


@pytest.mark.parametrize(
    ("kind", "wait_s"),
    [("heartbeat_lost", 30), ("traffic_stopped", 600), ("throughput_low", 1_800)],
)
def test_what_may_pass_must_last_before_it_counts(kind: str, wait_s: int) -> None:
    role, ctx = make()

    role.receive(symptom(kind), ctx)
    until(role, ctx, wait_s + SITE.gather_s - 1)
    assert alarms(ctx) == []
    until(role, ctx, wait_s + SITE.gather_s)

    assert alarms(ctx) == [(FIRST, [kind])]


def test_a_run_that_computes_again_clears_what_was_seen() -> None:
    role, ctx = make()
    role.receive(symptom("traffic_stopped"), ctx)
    role.receive(symptom("exited"), ctx)
    ctx.now = Ticks(10)

    role.receive(running(), ctx)
    until(role, ctx, 1_000)

    assert alarms(ctx) == []


def test_a_hang_after_that_waits_its_own_full_time() -> None:
    role, ctx = make()
    role.receive(symptom("traffic_stopped"), ctx)
    until(role, ctx, 300)
    role.receive(running(), ctx)
    until(role, ctx, 400)

    role.receive(symptom("traffic_stopped"), ctx)
    until(role, ctx, 1_044)
    assert alarms(ctx) == []
    until(role, ctx, 1_045)

    assert alarms(ctx) == [(FIRST, ["traffic_stopped"])]


def test_what_comes_while_an_incident_is_open_belongs_to_it() -> None:
    role, ctx = make()
    role.receive(symptom("exited"), ctx)
    until(role, ctx, 100)

    role.receive(symptom("link_down", node=4), ctx)
    until(role, ctx, 200)

    assert alarms(ctx) == [(FIRST, ["exited"]), (FIRST, ["link_down"])]


def test_after_an_incident_is_closed_the_next_has_a_new_contract() -> None:
    role, ctx = make()
    role.receive(symptom("exited"), ctx)
    until(role, ctx, 100)
    closed = incident.Closed(
        contract=FIRST, run=RUN, diagnosis="x", action="retry", is_by_human=False, by=DUTY
    )

    role.receive(closed, ctx)
    role.receive(symptom("exited"), ctx)
    until(role, ctx, 200)

    assert [contract for contract, _ in alarms(ctx)] == [FIRST, "node_monitor-0/2"]


def test_nothing_is_said_of_a_run_that_has_ended() -> None:
    role, ctx = make()
    ended = incident.Ended(
        run=RUN,
        nodes=1,
        elapsed_s=1,
        effective_s=1.0,
        saving_s=0,
        down_s=0,
        redone_s=0.0,
        starts=1,
        interval_s=1,
    )
    role.receive(ended, ctx)

    role.receive(symptom("exited"), ctx)
    until(role, ctx, 1_000)

    assert alarms(ctx) == []


AT_ONCE = [symptom("exited"), symptom("xid", node=7, value=79), symptom("xid", node=2, value=79)]


@given(st.permutations(AT_ONCE))
def test_an_alarm_does_not_depend_on_the_order_of_arrival(came: list[incident.Symptom]) -> None:
    role, ctx = make()

    for one in came:
        role.receive(one, ctx)
    until(role, ctx, 45)

    (alarm,) = ctx.told(DUTY)
    assert isinstance(alarm, incident.Alarm)
    assert alarm.symptoms == (AT_ONCE[0], AT_ONCE[2], AT_ONCE[1])


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    role, ctx = make()
    role.receive(symptom("exited"), ctx)
    role.receive(symptom("heartbeat_lost", node=3), ctx)

    stored = msgspec.msgpack.encode(role.state)

    assert msgspec.msgpack.decode(stored, type=NodeMonitorState) == role.state

import msgspec
import pytest

from swarm.comms.messages import incident, work
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, ContractId, Message
from swarm.kernel.role import Context, Role
from swarm.roles.training_run import Inbox, TrainingRun, TrainingRunState
from swarm.testing import FakeContext
from swarm.units import Ticks

ME, HALL = ActorId("training_run-0"), ActorId("fault_source-0")
MONITOR, DUTY = ActorId("node_monitor-0"), ActorId("devops-0")
SITE = Site(restart_s=100, checkpoint_s=10, corrupt_notice_s=50)
INTERVAL = 500
CASE = ContractId("node_monitor-0/1")


def make(horizon_s: int = 100_000) -> tuple[TrainingRun, FakeContext]:
    role = TrainingRun(
        nodes=4,
        hall=HALL,
        monitor=MONITOR,
        on_duty=DUTY,
        interval_s=INTERVAL,
        horizon_s=horizon_s,
        site=SITE,
    )
    _: Role[Inbox] = role
    ctx = FakeContext(me=ME)
    _ctx: Context = ctx
    role.receive(work.Start(), ctx)
    return role, ctx


def until(role: TrainingRun, ctx: FakeContext, tick: int) -> None:
    """Lets timers fire up to a tick, and stands there."""
    while ctx.timers and min(at for at, _ in ctx.timers) <= tick:
        for message in ctx.jump():
            role.receive(message, ctx)  # type: ignore[arg-type]  # its own timers
    ctx.now = Ticks(tick)


def strike(
    role: TrainingRun, ctx: FakeContext, effect: str, *, at: int, share: float = 0.0
) -> None:
    until(role, ctx, at)
    struck = msgspec.convert(
        {"type": "incident.struck", "run": ME, "fault": 1, "effect": effect, "share": share},
        incident.Struck,
    )
    role.receive(struck, ctx)


def restart(**facts: object) -> incident.Restart:
    return msgspec.convert(
        {"type": "incident.restart", "contract": CASE, "run": ME, **facts}, incident.Restart
    )


def symptoms(ctx: FakeContext) -> list[str]:
    return [one.kind for one in ctx.told(MONITOR) if isinstance(one, incident.Symptom)]


def ended(role: TrainingRun, ctx: FakeContext, tick: int) -> incident.Ended:
    until(role, ctx, tick)
    (report,) = [one for one in ctx.told(DUTY) if isinstance(one, incident.Ended)]
    return report


def test_a_run_without_faults_loses_its_start_and_its_checkpoints() -> None:
    role, ctx = make(horizon_s=100 + 10 * 510)

    report = ended(role, ctx, 100 + 10 * 510)

    assert (report.down_s, report.saving_s, report.redone_s) == (100, 100, 0)
    assert report.effective_s == 5_000


def test_everybody_hears_that_it_computes() -> None:
    role, ctx = make()
    ctx.drain()

    until(role, ctx, 100)

    running: Message = incident.Running(run=ME, contract=ContractId(""))
    assert [ctx.told(to) for to in (HALL, MONITOR, DUTY)] == [[running]] * 3


def test_a_crash_shows_at_once_and_loses_what_was_not_saved() -> None:
    role, ctx = make()

    strike(role, ctx, "crash", at=100 + 510 + 200)

    assert symptoms(ctx) == ["exited"]
    assert (role.state.phase, role.state.progress, role.state.redone_s) == ("stopped", 500, 200)


def test_a_hang_shows_only_as_silence() -> None:
    role, ctx = make()

    strike(role, ctx, "hang", at=300)

    assert symptoms(ctx) == ["traffic_stopped"]


def test_a_fault_during_a_checkpoint_leaves_the_one_before() -> None:
    role, ctx = make()

    strike(role, ctx, "crash", at=100 + 510 + 505)

    assert (role.state.progress, role.state.redone_s) == (500, 500)


def test_a_slow_node_slows_the_run_until_it_restarts() -> None:
    role, ctx = make()
    strike(role, ctx, "slow", at=200, share=0.5)
    until(role, ctx, 300)

    role.receive(restart(checkpoint="save"), ctx)
    until(role, ctx, 310 + 100 + 50)

    assert symptoms(ctx) == ["throughput_low"]
    assert role.state.redone_s == 0
    role.receive(incident.EndDue(), ctx)
    assert role.state.progress == 100 + 50 + 50


def test_a_planned_restart_waits_for_the_checkpoint_that_is_being_written() -> None:
    role, ctx = make()
    until(role, ctx, 605)

    role.receive(restart(checkpoint="save"), ctx)

    assert role.state.phase == "saving"
    until(role, ctx, 611)
    assert (role.state.phase, role.state.saved) == ("restoring", 500)


def test_a_crash_before_the_planned_checkpoint_leads_to_the_restart_at_once() -> None:
    role, ctx = make()
    until(role, ctx, 300)
    role.receive(restart(checkpoint="save"), ctx)

    strike(role, ctx, "crash", at=305)

    assert (role.state.phase, role.state.progress) == ("restoring", 0)


def test_a_restart_brings_a_new_interval_and_says_who_moved() -> None:
    role, ctx = make()
    strike(role, ctx, "crash", at=300)
    ctx.drain()

    role.receive(restart(leave=(2,), join=(9,), interval_s=50, delay_s=7), ctx)
    until(role, ctx, 300 + 107)

    assert ctx.told(HALL) == [incident.Running(run=ME, contract=CASE, leave=(2,), join=(9,))]
    until(role, ctx, 300 + 107 + 50)
    assert role.state.phase == "saving"


def test_timers_of_an_earlier_start_are_void() -> None:
    role, ctx = make()
    strike(role, ctx, "crash", at=599)
    role.receive(restart(), ctx)
    until(role, ctx, 599 + 100)

    role.receive(incident.CheckpointDue(start=1), ctx)

    assert role.state.phase == "computing"


def test_faults_meet_no_processes_while_it_restores() -> None:
    role, ctx = make()

    strike(role, ctx, "crash", at=50)

    assert (role.state.phase, symptoms(ctx)) == ("restoring", [])


def test_corruption_shows_late_and_in_the_last_checkpoint_too() -> None:
    role, ctx = make()
    until(role, ctx, 700)
    clean = role.state.saved

    strike(role, ctx, "corrupt", at=900)
    until(role, ctx, 900 + 1_000)

    assert symptoms(ctx) == ["loss_not_finite"]
    assert role.state.saved > role.state.clean == clean


@pytest.mark.parametrize(("checkpoint", "is_well"), [("clean", True), ("last", False)])
def test_only_a_clean_checkpoint_ends_corruption(checkpoint: str, *, is_well: bool) -> None:
    role, ctx = make()
    strike(role, ctx, "corrupt", at=900)
    until(role, ctx, 2_000)
    ctx.drain()

    role.receive(restart(checkpoint=checkpoint), ctx)
    until(role, ctx, 2_200)

    assert (role.state.corrupt_from is None) is is_well
    assert symptoms(ctx) == ([] if is_well else ["loss_not_finite"])


def test_time_is_accounted_for_to_the_second() -> None:
    role, ctx = make(horizon_s=5_000)
    strike(role, ctx, "crash", at=1_234)
    until(role, ctx, 1_500)
    role.receive(restart(), ctx)

    report = ended(role, ctx, 5_000)

    spent = report.effective_s + report.redone_s + report.saving_s + report.down_s
    assert spent == report.elapsed_s == 5_000


def test_after_its_end_it_is_deaf() -> None:
    role, ctx = make(horizon_s=1_000)
    until(role, ctx, 1_000)
    ctx.drain()

    role.receive(restart(), ctx)

    assert ctx.drain() == []


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    role, ctx = make()
    strike(role, ctx, "corrupt", at=900)
    role.receive(restart(checkpoint="save", leave=(1,), join=(5,)), ctx)

    stored = msgspec.msgpack.encode(role.state)

    assert msgspec.msgpack.decode(stored, type=TrainingRunState) == role.state

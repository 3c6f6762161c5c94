"""Operations and hiring, through the role that runs them."""

from collections.abc import Sequence

import msgspec
import pytest

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import incident, work
from swarm.comms.messages import treasury as money
from swarm.comms.messages.incident import NO_NODE
from swarm.gpu.diagnosis import HUMAN_ONLY, TABLE, Rule, Verdict
from swarm.gpu.posting import OperationsState, Policy, Posting, new_state
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, ContractId, Message
from swarm.roles.devops import DevOps, DevOpsState
from swarm.testing import FakeContext
from swarm.units import CREDIT, DAY, Credits, Ticks

ME, OTHER = ActorId("devops-0"), ActorId("devops-1")
HALL, MONITOR = ActorId("fault_source-0"), ActorId("node_monitor-0")
TREASURY, RUN = ActorId("treasury-0"), ActorId("training_run-0")
SECOND_RUN = ActorId("small_run-0")
SITE = Site(diagnosis_s=60, aftercare_s=1_000, again_s=900)
CALL = ContractId("devops-0/call-1")


def case(number: int = 1) -> ContractId:
    return ContractId(f"node_monitor-0/{number}")


def make(
    *,
    me: ActorId = ME,
    spares: Sequence[int] = (90, 91),
    table: tuple[Rule, ...] = TABLE,
    colleagues: tuple[ActorId, ...] = (),
    chooses_interval: bool = False,
) -> tuple[DevOps, FakeContext]:
    policy = Policy(table=table, chooses_interval=chooses_interval)
    role = DevOps(
        posting=Posting(
            is_on_duty=me == ME,
            colleagues=colleagues,
            hall=HALL,
            monitor=MONITOR,
            treasury=TREASURY,
            site=SITE,
            policy=policy,
            budget=Credits(50 * CREDIT),
        ),
        operations=new_state([(RUN, 64), (SECOND_RUN, 2)], spares),
    )
    return role, FakeContext(me=me)


def state_of(role: DevOps) -> OperationsState:
    assert role.state.operations is not None
    return role.state.operations


def shows(kind: str, *, node: int = NO_NODE, value: float = 0.0) -> incident.Symptom:
    return msgspec.convert(
        {"type": "incident.symptom", "run": RUN, "kind": kind, "node": node, "value": value},
        incident.Symptom,
    )


def alarm(
    role: DevOps,
    ctx: FakeContext,
    *symptoms: incident.Symptom,
    number: int = 1,
    run: ActorId = RUN,
) -> None:
    role.receive(incident.Alarm(contract=case(number), run=run, symptoms=symptoms), ctx)


def diagnosed(role: DevOps, ctx: FakeContext, number: int = 1) -> None:
    ctx.now = Ticks(ctx.now + SITE.diagnosis_s)
    role.receive(incident.DiagnosisDue(contract=case(number)), ctx)


def runs_again(role: DevOps, ctx: FakeContext, number: int = 1) -> None:
    role.receive(incident.Running(run=RUN, contract=case(number)), ctx)


def free(role: DevOps, ctx: FakeContext, number: int = 1) -> None:
    role.receive(incident.FreeDue(contract=case(number)), ctx)


def orders(ctx: FakeContext, run: ActorId = RUN) -> list[Message]:
    return ctx.told(run)


def test_the_one_on_duty_draws_the_budget_and_its_colleagues_do_not() -> None:
    grants = []
    for me in (ME, OTHER):
        role, ctx = make(me=me)
        role.receive(work.Start(), ctx)
        grants.append(len(ctx.told(TREASURY)))

    assert grants == [1, 0]


def test_a_named_node_is_replaced_by_a_spare_at_once_and_looked_at_later() -> None:
    role, ctx = make()

    alarm(role, ctx, shows("exited"), shows("xid", node=5, value=48))
    assert orders(ctx) == []
    diagnosed(role, ctx)

    restart = incident.Restart(
        contract=case(), run=RUN, leave=(5,), join=(90,), delay_s=SITE.swap_s
    )
    assert orders(ctx) == [restart]
    reboot = incident.Reboot(contract=ContractId("devops-0/care-5"), node=5)
    assert ctx.told(HALL) == [reboot]


def test_an_incident_is_closed_when_the_run_computes() -> None:
    role, ctx = make()
    alarm(role, ctx, shows("exited"))
    diagnosed(role, ctx)

    runs_again(role, ctx)

    closed = incident.Closed(
        contract=case(),
        run=RUN,
        diagnosis="application",
        action="retry",
        is_by_human=False,
        by=ME,
    )
    assert ctx.told(MONITOR) == [closed]
    assert state_of(role).cases == {}


def test_symptoms_that_come_before_the_diagnosis_count() -> None:
    role, ctx = make()
    alarm(role, ctx, shows("exited"))

    alarm(role, ctx, shows("link_down", node=8))
    diagnosed(role, ctx)

    (restart,) = orders(ctx)
    assert isinstance(restart, incident.Restart)
    assert restart.leave == (8,)


def test_trouble_that_is_back_at_once_is_met_with_a_test_of_the_gang() -> None:
    role, ctx = make()
    alarm(role, ctx, shows("exited"))
    diagnosed(role, ctx)
    runs_again(role, ctx)
    free(role, ctx)
    ctx.drain()

    ctx.now = Ticks(ctx.now + 100)
    alarm(role, ctx, shows("exited"), number=2)
    diagnosed(role, ctx, 2)

    assert ctx.told(HALL) == [incident.Examine(contract=case(2), run=RUN)]
    role.receive(incident.Examined(contract=case(2), run=RUN, node=NO_NODE, failed=(7,)), ctx)
    (restart,) = orders(ctx)
    assert isinstance(restart, incident.Restart)
    assert (restart.leave, restart.join) == ((7,), (90,))


def test_the_same_later_is_new_trouble() -> None:
    role, ctx = make()
    alarm(role, ctx, shows("exited"))
    diagnosed(role, ctx)
    runs_again(role, ctx)
    free(role, ctx)
    ctx.drain()

    ctx.now = Ticks(ctx.now + SITE.again_s + 1)
    alarm(role, ctx, shows("exited"), number=2)
    diagnosed(role, ctx, 2)

    assert [type(one) for one in orders(ctx)] == [incident.Restart]


@pytest.mark.parametrize(
    ("symptom", "checkpoint"),
    [
        (shows("hot", node=5), "save"),
        (shows("exited"), "last"),
        (shows("xid", node=5, value=79), "last"),
    ],
)
def test_the_checkpoint_follows_from_what_the_run_can_still_do(
    symptom: incident.Symptom, checkpoint: str
) -> None:
    role, ctx = make()

    alarm(role, ctx, symptom)
    diagnosed(role, ctx)

    (restart,) = orders(ctx)
    assert isinstance(restart, incident.Restart)
    assert restart.checkpoint == checkpoint


def test_corruption_goes_back_to_a_clean_checkpoint_also_when_a_human_sees_to_it() -> None:
    role, ctx = make(table=HUMAN_ONLY)
    alarm(role, ctx, shows("loss_not_finite"))
    diagnosed(role, ctx)

    role.receive(incident.HumanDue(contract=case()), ctx)
    assert ctx.told(HALL) == [incident.Examine(contract=case(), run=RUN, is_thorough=True)]
    role.receive(incident.Examined(contract=case(), run=RUN, node=NO_NODE, failed=(3,)), ctx)
    runs_again(role, ctx)

    (restart,) = orders(ctx)
    assert isinstance(restart, incident.Restart)
    assert restart.checkpoint == "clean"
    (closed,) = ctx.told(MONITOR)
    assert isinstance(closed, incident.Closed)
    assert closed.is_by_human


def test_a_run_waits_for_a_node_when_there_is_no_spare() -> None:
    role, ctx = make(spares=())
    alarm(role, ctx, shows("link_down", node=5))
    diagnosed(role, ctx)
    assert orders(ctx) == []
    state_of(role).inventory.out[40] = "test"

    passed = incident.Examined(contract=ContractId("devops-0/care-40"), run=ME, node=40, failed=())
    role.receive(passed, ctx)

    (restart,) = orders(ctx)
    assert isinstance(restart, incident.Restart)
    assert (restart.leave, restart.join) == ((5,), (40,))


def test_an_alarm_that_comes_while_at_work_waits_if_there_is_nobody() -> None:
    role, ctx = make()
    alarm(role, ctx, shows("exited"))
    diagnosed(role, ctx)
    ctx.drain()

    alarm(role, ctx, shows("exited"), number=2, run=SECOND_RUN)
    assert ctx.drain() == []
    free(role, ctx)
    diagnosed(role, ctx, 2)

    assert [type(one) for one in orders(ctx, SECOND_RUN)] == [incident.Restart]


def overloaded() -> tuple[DevOps, FakeContext]:
    """Makes one on duty who is at work, and has just called for help."""
    role, ctx = make(colleagues=(OTHER,))
    alarm(role, ctx, shows("exited"))
    alarm(role, ctx, shows("xid", node=7, value=79), number=2, run=SECOND_RUN)
    return role, ctx


def test_an_overloaded_devops_hires_a_colleague_and_pays_for_the_verdict() -> None:
    role, ctx = overloaded()
    (call,) = ctx.told(OTHER)
    assert isinstance(call, cn.CallForProposals)
    helper, helper_ctx = make(me=OTHER)
    helper_ctx.sender = ME

    helper.receive(call, helper_ctx)
    (proposal,) = helper_ctx.told(ME)
    role.receive(proposal, ctx)  # type: ignore[arg-type]  # as it came
    role.receive(cn.BiddingClosed(contract=CALL), ctx)
    accept = ctx.told(OTHER)[-1]
    secured = money.Secured(contract=CALL, amount=SITE.fee)
    role.receive(secured, ctx)
    for message in (accept, secured, incident.DiagnosisDue(contract=CALL)):
        helper.receive(message, helper_ctx)  # type: ignore[arg-type]  # as it came
    inform = helper_ctx.told(ME)[-1]
    assert isinstance(inform, cn.InformResult)
    ctx.drain()
    role.receive(inform, ctx)

    verdict = msgspec.json.decode(inform.result, type=Verdict)
    assert verdict == Verdict(diagnosis="gpu", action="replace", nodes=(7,))
    (restart,) = orders(ctx, SECOND_RUN)
    assert isinstance(restart, incident.Restart)
    assert restart.leave == (7,)
    assert money.Release(contract=CALL, is_accepted=True) in ctx.told(TREASURY)
    assert state_of(role).cases[case(2)].by == OTHER


def test_a_colleague_at_work_refuses_and_says_on_what() -> None:
    _, ctx = overloaded()
    (call,) = ctx.told(OTHER)
    helper, helper_ctx = make(me=OTHER)
    helper_ctx.sender = ME
    state_of(helper).busy.append(case(7))

    helper.receive(call, helper_ctx)  # type: ignore[arg-type]  # as it came

    refusal = cn.Refuse(contract=CALL, reason="at work on node_monitor-0/7")
    assert helper_ctx.told(ME) == [refusal]


def test_without_a_proposal_the_incident_waits_for_the_one_on_duty() -> None:
    role, ctx = overloaded()

    role.receive(cn.BiddingClosed(contract=CALL), ctx)
    diagnosed(role, ctx)
    free(role, ctx)
    diagnosed(role, ctx, 2)

    (restart,) = orders(ctx, SECOND_RUN)
    assert isinstance(restart, incident.Restart)


def hire(role: DevOps, ctx: FakeContext) -> None:
    proposal = cn.Propose(
        contract=CALL, proposer=OTHER, price=SITE.fee, ends_at=Ticks(ctx.now + 100)
    )
    role.receive(proposal, ctx)
    role.receive(cn.BiddingClosed(contract=CALL), ctx)


def test_a_colleague_that_cannot_be_paid_is_let_go() -> None:
    role, ctx = overloaded()
    hire(role, ctx)

    role.receive(money.Denied(contract=CALL, amount=SITE.fee, balance=Credits(0)), ctx)

    assert ctx.told(OTHER)[-1] == cn.Cancel(contract=CALL, reason="given up")
    assert state_of(role).cases[case(2)].stage == "queued"


def test_a_colleague_that_never_informs_is_not_paid() -> None:
    role, ctx = overloaded()
    hire(role, ctx)
    role.receive(money.Secured(contract=CALL, amount=SITE.fee), ctx)
    ctx.drain()

    role.receive(cn.Overdue(contract=CALL), ctx)
    late = cn.InformResult(contract=CALL, result="{}")
    role.receive(late, ctx)

    assert ctx.told(TREASURY) == [money.Release(contract=CALL, is_accepted=False)]
    assert state_of(role).backlog == [case(2)]


def test_a_colleague_whose_contract_is_cancelled_is_free_again() -> None:
    helper, ctx = make(me=OTHER)
    ctx.sender = ME
    call = cn.CallForProposals(
        contract=CALL,
        task="diagnose",
        terms='{"symptoms":[],"attempts":0}',
        max_price=SITE.fee,
        deadline=Ticks(5),
    )
    helper.receive(call, ctx)

    helper.receive(cn.Cancel(contract=CALL, reason="given up"), ctx)

    assert state_of(helper).jobs == {}


def test_the_checkpoint_interval_follows_the_failures_seen() -> None:
    intervals = []
    for days in (0.5, 50):
        role, ctx = make(chooses_interval=True)
        ctx.now = Ticks(round(days * DAY))
        alarm(role, ctx, shows("exited"))
        diagnosed(role, ctx)
        (restart,) = orders(ctx)
        assert isinstance(restart, incident.Restart)
        intervals.append(restart.interval_s)

    assert 0 < intervals[0] < intervals[1]


def test_a_fixed_interval_stays_as_it_is() -> None:
    role, ctx = make(chooses_interval=False)
    alarm(role, ctx, shows("exited"))

    diagnosed(role, ctx)

    (restart,) = orders(ctx)
    assert isinstance(restart, incident.Restart)
    assert restart.interval_s == 0


def test_nothing_is_done_for_a_run_that_has_ended() -> None:
    role, ctx = make()
    alarm(role, ctx, shows("exited"))
    ended = incident.Ended(
        run=RUN,
        nodes=64,
        elapsed_s=1,
        effective_s=1.0,
        saving_s=0,
        down_s=0,
        redone_s=0.0,
        starts=1,
        interval_s=1,
    )

    role.receive(ended, ctx)
    diagnosed(role, ctx)
    alarm(role, ctx, shows("exited"), number=2)

    assert orders(ctx) == []
    assert state_of(role).cases == {}


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    role, ctx = overloaded()
    hire(role, ctx)

    stored = msgspec.msgpack.encode(role.state)

    assert msgspec.msgpack.decode(stored, type=DevOpsState) == role.state

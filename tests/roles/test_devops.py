import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.messages import incident as site
from swarm.comms.messages import lease, ops, work
from swarm.errors import ProtocolError, UsageError
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context, Role
from swarm.roles.devops import Commission, DevOps, DevOpsState, Inbox, Rule
from swarm.testing import FakeContext
from swarm.units import Ticks

ME, BROKER = ActorId("devops-0"), ActorId("gpu_broker-0")
GPU, OTHER = "node-0/0", "node-0/1"


def make() -> tuple[DevOps, FakeContext]:
    role = DevOps()
    _: Role[Inbox] = role
    ctx = FakeContext(me=ME)
    _ctx: Context = ctx
    return role, ctx


def incident(
    number: int, *failures: str, holder: str = "ada-0", gpus: tuple[str, ...] = (GPU,)
) -> ops.Incident:
    return ops.Incident(
        contract=ContractId(f"{holder}/{number}"),
        holder=ActorId(holder),
        gpus=gpus,
        failures=failures,
    )


def advise(role: DevOps, ctx: FakeContext, *incidents: ops.Incident) -> list[ops.Advice]:
    """Has incidents come at one instant, and returns the advice on them."""
    for one in incidents:
        ctx.sender = BROKER
        role.receive(one, ctx)
    ctx.drain()
    ctx.sender = ME
    role.receive(ops.TriageDue(), ctx)
    return [m for m in ctx.told(BROKER) if isinstance(m, ops.Advice)]


def test_incidents_wait_for_one_timer_a_tick_later() -> None:
    role, ctx = make()

    role.receive(work.Start(), ctx)
    role.receive(incident(1, "limit: x"), ctx)
    role.receive(incident(2, "limit: x"), ctx)

    assert ctx.drain() == [("after", 1, ops.TriageDue())]


def test_the_broker_gets_the_advice_and_the_notebook_one_line() -> None:
    role, ctx = make()

    (advice,) = advise(role, ctx, incident(1, "diverged: loss is nan at step 40"))

    reason = "diverged: loss is nan at step 40"
    assert advice == ops.Advice(
        contract=ContractId("ada-0/1"), diagnosis="diverged", action="lower_rate", reason=reason
    )
    assert ctx.drain() == [
        ("note", f"ada-0/1 of ada-0: diverged, lower_rate ({reason})"),
        ("tell", BROKER, advice),
    ]


@pytest.mark.parametrize(
    ("failure", "diagnosis", "action"),
    [
        ("diverged: loss 31 bits per byte", "diverged", "lower_rate"),
        ("limit: the model has 3000000 parameters", "too_large", "shrink"),
        ("invalid: heads do not divide the width", "bad_specification", "abandon"),
        ("missing: no such artifact", "bad_specification", "abandon"),
        ("the lights went out", "unknown", "retry"),
    ],
)
def test_the_kind_before_the_colon_decides(failure: str, diagnosis: str, action: str) -> None:
    role, ctx = make()

    (advice,) = advise(role, ctx, incident(1, failure))

    assert (advice.diagnosis, advice.action) == (diagnosis, action)


@given(st.permutations(["diverged: a", "limit: b", "what: c"]))
def test_of_several_failures_the_least_doubtful_decides(failures: list[str]) -> None:
    role, ctx = make()

    (advice,) = advise(role, ctx, incident(1, *failures))

    assert (advice.diagnosis, advice.reason) == ("too_large", "limit: b")


def test_an_incident_without_a_symptom_is_unknown() -> None:
    role, ctx = make()

    (advice,) = advise(role, ctx, incident(1))

    assert (advice.diagnosis, advice.reason) == ("unknown", "no symptom")


def test_a_gpu_on_which_three_holders_failed_is_called_broken() -> None:
    role, ctx = make()
    for number, holder in enumerate(("ada-0", "bo-0")):
        advise(role, ctx, incident(number, "diverged: nan", holder=holder))

    advice = advise(role, ctx, incident(3, "diverged: nan", holder="cy-0", gpus=(OTHER, GPU)))[-1]

    assert (advice.diagnosis, advice.action) == ("hardware", "retry")
    assert advice.reason == "3 holders failed on node-0/0; diverged: nan"


def test_one_holder_that_fails_again_and_again_does_not_break_a_gpu() -> None:
    role, ctx = make()

    for number in range(9):
        advice = advise(role, ctx, incident(number, "diverged: nan"))[-1]

        assert advice.diagnosis == "diverged"
    assert role.state.failures_by_gpu == {GPU: {"ada-0": 9}}


def test_what_the_specification_alone_explains_is_not_held_against_a_gpu() -> None:
    role, ctx = make()

    for number, holder in enumerate(("ada-0", "bo-0", "cy-0", "di-0")):
        advice = advise(role, ctx, incident(number, "limit: x", holder=holder))[-1]

        assert advice.diagnosis == "too_large"
    assert role.state.failures_by_gpu == {}


def test_the_table_can_be_replaced() -> None:
    role = DevOps(table=[Rule("smoke", "hardware", "abandon"), Rule("", "unknown", "shrink")])
    ctx = FakeContext(me=ME)

    (advice,) = advise(role, ctx, incident(1, "smoke in rack 4"))

    assert (advice.diagnosis, advice.action) == ("hardware", "abandon")


def test_a_table_that_leaves_a_symptom_open_is_refused() -> None:
    with pytest.raises(UsageError, match="last row of a decision table"):
        DevOps(table=[Rule("smoke", "hardware", "abandon")])


AT_ONCE = [
    incident(number, "diverged: nan", holder=holder, gpus=gpus)
    for number, (holder, gpus) in enumerate(
        [("ada-0", (GPU,)), ("bo-0", (GPU, OTHER)), ("cy-0", (GPU,)), ("ada-0", (OTHER,))]
    )
]


@given(st.permutations(AT_ONCE))
def test_a_diagnosis_does_not_depend_on_the_order_of_arrival(
    incidents: list[ops.Incident],
) -> None:
    role, ctx = make()
    expected, expected_ctx = make()

    came = advise(role, ctx, *incidents)

    assert came == advise(expected, expected_ctx, *AT_ONCE)
    assert [one.diagnosis for one in came] == ["hardware", "diverged", "hardware", "hardware"]
    assert msgspec.json.encode(role.state) == msgspec.json.encode(expected.state)


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    role, ctx = make()
    advise(role, ctx, *AT_ONCE)
    role.receive(incident(9, "diverged: nan", holder="di-0"), ctx)

    stored = msgspec.json.encode(role.state)

    assert msgspec.json.decode(stored, type=DevOpsState) == role.state


def test_without_a_posting_an_alarm_is_an_error() -> None:
    role, ctx = make()
    alarm = site.Alarm(
        contract=ContractId("node_monitor-0/1"), run=ActorId("training_run-0"), symptoms=()
    )

    with pytest.raises(ProtocolError, match="DevOps in state 'without a posting'"):
        role.receive(alarm, ctx)


def test_a_new_node_is_leased_only_after_it_stood_its_test() -> None:
    broker = ActorId("gpu_broker-0")
    role = DevOps(commissions=[Commission(broker, "node-3")], burn_in=Ticks(1_800))
    ctx = FakeContext(me=ActorId("devops-0"))

    role.receive(work.Start(), ctx)
    before = ctx.drain()
    role.receive(ops.BurnInDue(), ctx)

    assert before == [
        ("tell", broker, lease.NodeLost(node="node-3")),
        ("after", Ticks(1_800), ops.BurnInDue()),
    ]
    assert ctx.told(broker) == [lease.NodeBack(node="node-3")]

import msgspec
import pytest
from msgspec.structs import replace

from swarm.comms.messages import human
from swarm.kernel.message import ActorId, ContractId, MessageId
from swarm.kernel.role import Role
from swarm.roles.human import Gate, Human, HumanState, Inbox
from swarm.testing import FakeContext
from swarm.units import HOUR, Ticks

INTEGRATOR = ActorId("integrator-0")
SOUGHT = human.ApprovalSought(
    contract=ContractId("a-0/1"),
    part="optimizer",
    value="{}",
    author=ActorId("a-0"),
    gain=0.25,
    gain_low=0.1,
    gain_high=0.4,
    unit="bpb",
)
CHECKPOINT = replace(SOUGHT, part="checkpoint", contract=ContractId("a-0/2"))


def make(gate: Gate, *, policy: bool = True) -> tuple[Human, FakeContext]:
    role = Human(gate=gate, policy=policy, thinking=Ticks(HOUR))
    _: Role[Inbox] = role
    return role, FakeContext(me=ActorId("human-0"), sender=INTEGRATOR)


@pytest.mark.parametrize(
    ("gate", "sought", "is_asked"),
    [
        ("none", SOUGHT, False),
        ("none", CHECKPOINT, False),
        ("big_runs", SOUGHT, False),
        ("big_runs", CHECKPOINT, True),
        ("swaps", SOUGHT, True),
        ("swaps", CHECKPOINT, True),
    ],
)
def test_the_gate_says_what_is_asked_about_and_what_passes(
    gate: Gate, sought: human.ApprovalSought, *, is_asked: bool
) -> None:
    role, ctx = make(gate)

    role.receive(sought, ctx)

    asked = [effect for effect in ctx.effects if effect[0] == "ask"]
    passed = human.Approved(contract=sought.contract, reason=f"the gate {gate} lets it pass")
    assert asked == ([("ask", human.Decide(sought=sought, policy=True), HOUR)] if is_asked else [])
    assert ctx.told(INTEGRATOR) == ([] if is_asked else [passed])


@pytest.mark.parametrize(
    ("is_approved", "kind", "verb"),
    [(True, human.Approved, "approved"), (False, human.Vetoed, "vetoed")],
)
def test_the_answer_goes_to_who_asked_and_into_the_notebook(
    kind: type[human.Approved | human.Vetoed], verb: str, *, is_approved: bool
) -> None:
    role, ctx = make("swaps", policy=False)
    role.receive(SOUGHT, ctx)
    ctx.drain()
    ctx.sender, ctx.cause = ActorId("human-0"), MessageId(ctx.ordered)

    role.receive(human.Decided(is_approved=is_approved, reason="seen the curves"), ctx)

    assert ctx.drain() == [
        ("tell", INTEGRATOR, kind(contract=SOUGHT.contract, reason="seen the curves")),
        ("note", f"{verb} optimizer by a-0 (+0.2500 bpb, a-0/1): seen the curves"),
    ]
    assert role.state == HumanState()


def test_answers_are_told_apart_by_their_questions() -> None:
    role, ctx = make("swaps")
    role.receive(SOUGHT, ctx)
    first = MessageId(ctx.ordered)
    role.receive(CHECKPOINT, ctx)
    ctx.drain()

    ctx.cause = first
    role.receive(human.Decided(is_approved=False, reason="no"), ctx)

    assert ctx.told(INTEGRATOR) == [human.Vetoed(contract=SOUGHT.contract, reason="no")]
    assert [one.sought for one in role.state.asked.values()] == [CHECKPOINT]


def test_an_answer_to_no_open_question_changes_nothing() -> None:
    role, ctx = make("swaps")

    role.receive(human.Decided(is_approved=True, reason="late"), ctx)

    assert ctx.effects == []


def test_state_survives_a_snapshot() -> None:
    role, ctx = make("swaps")
    role.receive(SOUGHT, ctx)

    stored = msgspec.json.encode(role.state)

    assert msgspec.json.decode(stored, type=HumanState) == role.state

from typing import Literal

import msgspec
import pytest
from msgspec.structs import replace

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import lease, mind, ops
from swarm.kernel.message import ActorId, ContractId, MessageId
from swarm.kernel.role import Role
from swarm.pipeline import tasks
from swarm.pipeline.research.state import Research
from swarm.roles.harness_engineer import HarnessEngineer, Inbox
from swarm.testing import FakeContext
from tests.researchers import COST, MEANS, PARTS, POLICY, awake

OTHER = PARTS["notebook"].replace('"recall":"recent"', '"recall":"relevant"')


def make() -> tuple[HarnessEngineer, FakeContext]:
    role = HarnessEngineer(policy=POLICY, means=MEANS, cost=COST)
    _: Role[Inbox] = role
    return role, FakeContext(me=ActorId("harness_engineer-0"))


def test_it_asks_its_mind_about_the_notebook() -> None:
    role, ctx = make()

    (question,) = awake(role, ctx)

    assert isinstance(question, mind.ProposePart)
    assert (question.part, question.current) == ("notebook", PARTS["notebook"])


def test_what_was_proposed_is_scored_beside_the_current_value_without_any_training() -> None:
    role, ctx = make()
    awake(role, ctx)
    ctx.drain()

    ctx.cause = MessageId(ctx.ordered)
    role.receive(mind.PartProposed(part="notebook", value=OTHER, reason=""), ctx)

    (call,) = [one for one in ctx.told(MEANS.evaluators[0]) if isinstance(one, cn.CallForProposals)]
    assert tasks.evaluate_terms(call.terms).artifacts == (PARTS["notebook"], OTHER)
    assert not any(isinstance(one, lease.Request) for one in ctx.told(MEANS.broker))


def test_state_survives_a_snapshot() -> None:
    role, ctx = make()
    awake(role, ctx)

    stored = msgspec.json.encode(role.state)

    assert msgspec.json.decode(stored, type=Research) == role.state


@pytest.mark.parametrize(("notes", "n_shown"), [("on", 1), ("off", 0), ("shuffled", 1)])
def test_notes_can_be_switched_whatever_the_ship_recalls(
    notes: Literal["on", "off", "shuffled"], n_shown: int
) -> None:
    role = HarnessEngineer(policy=replace(POLICY, notes=notes), means=MEANS, cost=COST)
    ctx = FakeContext(me=ActorId("harness_engineer-0"))
    role.receive(
        ops.Advice(contract=ContractId("a/1"), diagnosis="unknown", action="retry", reason="it"),
        ctx,
    )

    (question,) = awake(role, ctx)

    assert isinstance(question, mind.ProposePart)
    assert len(question.notes) == n_shown

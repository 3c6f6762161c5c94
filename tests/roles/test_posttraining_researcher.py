import msgspec
import pytest

from swarm.comms.messages import lease, mind
from swarm.kernel.message import ActorId, MessageId
from swarm.kernel.role import Role
from swarm.pipeline.posttraining.spec import PostTrain
from swarm.pipeline.recipe import post_budget
from swarm.pipeline.research.state import Research
from swarm.pipeline.values import Checkpoint, read_as
from swarm.roles.posttraining_researcher import Inbox, Part, PosttrainingResearcher
from swarm.testing import FakeContext
from swarm.units import DAY, Ticks
from tests.researchers import COST, MEANS, PARTS, POLICY, awake


def make(part: Part) -> tuple[PosttrainingResearcher, FakeContext]:
    role = PosttrainingResearcher(part=part, policy=POLICY, means=MEANS, cost=COST)
    _: Role[Inbox] = role
    return role, FakeContext(me=ActorId("posttraining_researcher-0"))


@pytest.mark.parametrize("part", ["sft", "environments", "reward", "rl"])
def test_it_asks_its_mind_about_its_part(part: Part) -> None:
    role, ctx = make(part)

    (question,) = awake(role, ctx)

    assert isinstance(question, mind.ProposePart)
    assert (question.part, question.current) == (part, PARTS[part])


def test_what_was_proposed_is_trained_on_the_trunk_of_the_checkpoint() -> None:
    role, ctx = make("reward")
    awake(role, ctx)
    ctx.cause = MessageId(ctx.ordered)
    value = PARTS["reward"].replace('"partial":0', '"partial":0.5')
    role.receive(mind.PartProposed(part="reward", value=value, reason=""), ctx)
    (request,) = [one for one in ctx.told(MEANS.broker) if isinstance(one, lease.Request)]
    ctx.drain()

    ctx.sender = MEANS.broker
    role.receive(
        lease.Granted(
            contract=request.contract, gpus=("n0/0",), ends_at=Ticks(9 * DAY), price=request.bid
        ),
        ctx,
    )

    (job,) = [one for effect in ctx.effects for one in effect if isinstance(one, PostTrain)]
    assert job.artifact == read_as(Checkpoint, PARTS["checkpoint"]).base
    assert job.reward.partial == 0.5
    assert job.cost() <= 1.1 * post_budget(PARTS, steps=POLICY.post_steps)


def test_state_survives_a_snapshot() -> None:
    role, ctx = make("rl")
    awake(role, ctx)

    stored = msgspec.json.encode(role.state)

    assert msgspec.json.decode(stored, type=Research) == role.state

import pytest
import torch

from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.posttraining.data import Placed
from swarm.pipeline.posttraining.environments.environment import EnvSpec, Task
from swarm.pipeline.posttraining.recipes import RewardRule
from swarm.pipeline.posttraining.rollouts import SLACK, Group, roll_out
from swarm.pipeline.pretraining.model import Transformer, use_one_deterministic_thread
from swarm.pipeline.pretraining.run import seeded
from swarm.pipeline.pretraining.spec import Architecture

pytestmark = pytest.mark.torch

COPY = EnvSpec(family="copy", difficulty=1)


def speaking(shape: Architecture, byte: int) -> Transformer:
    """Returns a model that says one byte for ever."""
    use_one_deterministic_thread()
    model = Transformer(shape, seeded(0, "weights"))
    with torch.no_grad():
        model.head_VW.zero_()
        model.head_VW[byte] = 100.0 * hidden_sign(model)
    return model


def hidden_sign(model: Transformer) -> torch.Tensor:
    """Makes all that the projection reads the same, and returns it."""
    with torch.no_grad():
        model.embed_VW.fill_(1.0)
    return torch.ones(model.shape.width)


def answers(model: Transformer, tasks: list[Placed], rule: RewardRule) -> list[Group]:
    return roll_out(
        model,
        [COPY],
        tasks,
        rule=rule,
        per_task=2,
        temperature=1.0,
        decoder=DecoderSpec(engine="grouped"),
        seed=0,
    )


def test_an_answer_that_is_ended_keeps_its_end_and_one_that_is_not_has_none(
    shape: Architecture,
) -> None:
    task = Placed(0, Task("say abc=", "abc"))

    silent, endless = (
        answers(speaking(shape, byte), [task], RewardRule())[0].rollouts[0] for byte in (10, 97)
    )

    assert silent.text == b"\n"
    assert endless.text == b"a" * (3 + SLACK + 1)
    assert (silent.is_exact, endless.is_exact) == (False, False)


def test_a_true_answer_is_exact_only_if_it_ended(shape: Architecture) -> None:
    n_room = len("a" * 60)
    task = Placed(0, Task("b=" + "b" * 2, "a" * n_room))

    (group,) = answers(speaking(shape, 97), [task], RewardRule())

    assert group.rollouts[0].text == b"a" * n_room
    assert (group.rollouts[0].is_exact, group.rollouts[0].reward) == (False, 0.0)


def test_long_and_short_prompts_are_answered_in_the_order_of_the_tasks(
    shape: Architecture,
) -> None:
    tasks = [Placed(0, Task("x" * n + "=", "abc")) for n in (58, 5, 30, 57)]

    groups = answers(speaking(shape, 97), tasks, RewardRule(partial=0.3))

    assert [group.placed for group in groups] == tasks
    assert [len(group.rollouts[0].text) for group in groups] == [5, 8, 8, 6]
    assert groups[0].rollouts[0].reward == pytest.approx(0.1)


def test_rollouts_follow_from_the_seed(shape: Architecture) -> None:
    model = Transformer(shape, seeded(0, "weights"))
    tasks = [Placed(0, Task("say abc=", "abc"))]

    assert answers(model, tasks, RewardRule()) == answers(model, tasks, RewardRule())
    assert answers(model, [], RewardRule()) == []

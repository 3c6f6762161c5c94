import pytest
import torch
from msgspec.structs import replace

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.data import Example, Placed
from swarm.pipeline.posttraining.environments.environment import Task
from swarm.pipeline.posttraining.reading import answer_nats
from swarm.pipeline.posttraining.recipes import EXPERT_ITERATION
from swarm.pipeline.posttraining.rl import Buffer, Pace, group_advantage, policy_gradient
from swarm.pipeline.posttraining.rollouts import Group, Rollout
from swarm.pipeline.posttraining.sft import updater
from swarm.pipeline.pretraining.model import Transformer, use_one_deterministic_thread
from swarm.pipeline.pretraining.run import seeded
from swarm.pipeline.pretraining.spec import Architecture

pytestmark = pytest.mark.torch


def group(prompt: str, *answers: tuple[bytes, float], cell: int = 0) -> Group:
    rollouts = tuple(Rollout(text, reward, reward == 1.0) for text, reward in answers)
    return Group(Placed(cell, Task(prompt, "?")), rollouts)


def gradients(model: Transformer) -> list[torch.Tensor]:
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    for parameter in model.parameters():
        parameter.grad = None
    return found


def test_advantages_are_centred_and_scaled_and_equal_rewards_give_none() -> None:
    rewards_GK = torch.tensor([[0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0]])

    advantages_GK = group_advantage(rewards_GK)

    assert advantages_GK.mean(dim=1).tolist() == pytest.approx([0.0] * 3, abs=1e-6)
    assert advantages_GK.square().mean(dim=1).tolist() == pytest.approx([1.0, 0.0, 1.0], abs=1e-5)
    assert advantages_GK[0, 3] > 0 > advantages_GK[0, 0]


def test_a_policy_step_makes_what_was_rewarded_likelier(shape: Architecture) -> None:
    use_one_deterministic_thread()
    model = Transformer(shape, seeded(0, "weights"))
    groups = [group("say ab=", (b"ab\n", 1.0), (b"ba\n", 0.0), (b"b\n", 0.0), (b"aab\n", 0.0))]
    right, wrong = [Example(b"say ab=", b"ab\n")], [Example(b"say ab=", b"ba\n")]
    before = [float(answer_nats(model, one).detach().sum()) for one in (right, wrong)]

    rates = updater(model, lr=0.01, adam_lr=0.01)
    for step in range(3):
        policy_gradient(model, groups, [])
        rates.step(step, 10)

    after = [float(answer_nats(model, one).detach().sum()) for one in (right, wrong)]
    assert after[0] < before[0]
    assert after[1] > before[1]


def test_groups_that_earned_alike_teach_nothing(shape: Architecture) -> None:
    model = Transformer(shape, seeded(0, "weights"))
    alike = group("say ab=", (b"ab\n", 1.0), (b"ab\n", 1.0))
    mixed = group("say cd=", (b"cd\n", 1.0), (b"dc\n", 0.0))

    _, n_read = policy_gradient(model, [alike], [])
    nothing = gradients(model)
    policy_gradient(model, [mixed], [])
    without = gradients(model)
    policy_gradient(model, [alike, mixed], [])
    with_it = gradients(model)

    assert (n_read, nothing) == (0, [])
    assert all(torch.equal(a, b) for a, b in zip(without, with_it, strict=True))


def test_replayed_examples_weigh_as_much_as_practised_answers(shape: Architecture) -> None:
    model = Transformer(shape, seeded(0, "weights"))
    mixed = group("say cd=", (b"cd\n", 1.0), (b"dc\n", 0.0))
    replay = [Example(b"say ab=", b"ab\n")] * 2

    policy_gradient(model, [mixed], [])
    practised = gradients(model)
    answer_nats(model, replay).mean().backward()  # type: ignore[no-untyped-call]
    imitated = gradients(model)
    policy_gradient(model, [mixed], replay)
    both = gradients(model)

    for a, b, c in zip(practised, imitated, both, strict=True):
        assert torch.allclose(0.5 * a + 0.5 * b, c, atol=1e-6)


def test_environments_are_practised_by_how_open_they_are() -> None:
    stream = Stream(seed=0, owner="test", name="pace")
    pace = Pace([1.0, 1.0, 1.0], is_adaptive=True)
    half = group("a=", (b"a\n", 1.0), (b"b\n", 0.0), cell=0)
    solved = group("a=", (b"a\n", 1.0), (b"a\n", 1.0), cell=1)
    hopeless = group("a=", (b"b\n", 0.0), (b"c\n", 0.0), cell=2)

    first = pace.draw(96, stream)
    for _ in range(50):
        pace.learn([half, solved, hopeless])
    later = pace.draw(96, stream)

    assert [first.count(cell) for cell in range(3)] == [32, 32, 32]
    assert [later.count(cell) for cell in range(3)] == pytest.approx([83, 7, 7], abs=1)
    assert len(later) == 96


def test_without_adaptation_weights_alone_count() -> None:
    stream = Stream(seed=0, owner="test", name="pace")
    pace = Pace([3.0, 1.0], is_adaptive=False)

    pace.learn([group("a=", (b"a\n", 1.0), (b"a\n", 1.0), cell=0)])

    drawn = pace.draw(40, stream)
    assert [drawn.count(cell) for cell in range(2)] == [30, 10]


def test_the_buffer_keeps_a_few_different_right_answers_and_forgets_the_oldest() -> None:
    recipe = replace(EXPERT_ITERATION, keep=2, buffer=3, rows=50)
    buffer = Buffer(recipe, seeded(0, "buffer"))
    answers = [(b"a\n", 1.0), (b"a\n", 1.0), (b"x\n", 0.5), (b"b\n", 1.0), (b"c\n", 1.0)]

    empty = buffer.draw()
    buffer.take([group("p=", *answers), group("q=", (b"d\n", 1.0)), group("r=", (b"e\n", 1.0))])
    drawn = set(buffer.draw())

    assert empty == []
    assert buffer.n_taken == 4
    assert drawn == {Example(b"p=", b"b\n"), Example(b"q=", b"d\n"), Example(b"r=", b"e\n")}

import numpy as np
import pytest
import torch

from swarm.pipeline.inference.choosing import choose, uniforms
from swarm.pipeline.inference.judge import judge, near_ties
from swarm.pipeline.inference.sampler import sample
from tests.pipeline.inference.models import sharp_model, some_prompts

pytestmark = pytest.mark.torch

STOP = 10
PROMPTS = some_prompts(8)
MODEL = sharp_model(stop=STOP)
NUMBERS = uniforms(3, np.arange(8), np.arange(1), 16)[:, 0]


def decoded(temperature: float) -> list[bytes]:
    found = sample(MODEL, PROMPTS, per_prompt=1, max_new=16, temperature=temperature, seed=3)
    return [answer for (answer,) in found]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_true_answers_are_right_to_the_byte(temperature: float) -> None:
    answers = decoded(temperature)

    found = judge(MODEL, PROMPTS, answers, NUMBERS, temperature=temperature, stop=STOP)

    assert found.n_bytes == sum(min(16, len(answer) + 1) for answer in answers)
    assert found.n_wrong == 0
    assert found.n_near_ties < 0.05 * found.n_bytes


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_one_wrong_byte_is_found(temperature: float) -> None:
    answers = decoded(temperature)
    longest = max(range(8), key=lambda i: len(answers[i]))
    answers[longest] = answers[longest][:-1] + bytes([answers[longest][-1] ^ 1])

    found = judge(MODEL, PROMPTS, answers, NUMBERS, temperature=temperature, stop=STOP)

    assert found.n_wrong >= 1


def test_an_answer_that_ends_too_early_is_wrong() -> None:
    answers = decoded(0.0)
    longest = max(range(8), key=lambda i: len(answers[i]))
    answers[longest] = answers[longest][:-1]

    found = judge(MODEL, PROMPTS, answers, NUMBERS, temperature=0.0, stop=STOP)

    assert found.n_wrong == 1


def test_greedily_a_near_tie_is_a_small_gap() -> None:
    logits_RV = torch.tensor([[1.0, 1.0 + 0.9e-4, 0.0], [1.0, 1.0 + 1.1e-4, 0.0]]).double()

    assert near_ties(logits_RV, torch.zeros(2).double(), 0.0).tolist() == [True, False]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_what_a_shift_by_half_the_bound_can_change_is_a_near_tie(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits_RV = torch.randn(4_000, 256, generator=generator, dtype=torch.float64)
    uniform_R = torch.rand(4_000, generator=generator, dtype=torch.float64)
    chosen_R = choose(logits_RV, uniform_R, temperature)
    # What moves an edge of the chosen byte the furthest: all on one side up, the others down.
    is_below = torch.arange(256) < chosen_R[:, None]
    shifted_RV = logits_RV + torch.where(is_below, 0.5e-4, -0.5e-4)

    is_changed = choose(shifted_RV, uniform_R, temperature) != chosen_R

    is_near = near_ties(logits_RV, uniform_R, temperature)
    assert is_changed.any()
    assert not (is_changed & ~is_near).any()
    assert is_near.double().mean() < 0.05

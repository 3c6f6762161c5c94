import numpy as np
import pytest
import torch

from swarm.pipeline.inference.choosing import choose, uniforms

pytestmark = pytest.mark.torch

LOGITS_1V = torch.tensor([[0.0, 2.0, -1.0, 2.0]])


def test_greedily_the_lowest_of_the_likeliest_is_taken() -> None:
    assert choose(LOGITS_1V, torch.tensor([0.99], dtype=torch.float64), 0.0).tolist() == [1]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_even_numbers_give_each_byte_its_probability(temperature: float) -> None:
    grid_R = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000

    chosen_R = choose(LOGITS_1V.expand(10_000, -1), grid_R, temperature)

    expected_V = (LOGITS_1V[0] / temperature).softmax(dim=0)
    assert torch.allclose(torch.bincount(chosen_R) / 10_000, expected_V, atol=1.1e-4)


def test_the_ends_of_the_range_give_the_first_and_the_last_byte() -> None:
    ends_R = torch.tensor([0.0, 1.0 - 2.0**-53], dtype=torch.float64)

    assert choose(LOGITS_1V.expand(2, -1), ends_R, 1.0).tolist() == [0, 3]


def test_bytes_without_probability_are_never_chosen() -> None:
    logits_1V = torch.tensor([[-torch.inf, 0.0, -torch.inf]])
    ends_R = torch.tensor([0.0, 1.0 - 2.0**-53], dtype=torch.float64)

    # The last sum equals the one before it, so u below 1 stays below both.
    assert choose(logits_1V.expand(2, -1), ends_R, 1.0).tolist() == [1, 1]


def test_a_number_depends_on_its_coordinates_only() -> None:
    all_PSN = uniforms(7, np.arange(5), np.arange(4), 6)

    some_PSN = uniforms(7, np.array([3, 1]), np.array([2]), 4)

    assert np.array_equal(some_PSN, all_PSN[[3, 1]][:, [2], :4])


def test_numbers_are_uniform_and_another_seed_gives_others() -> None:
    first_PSN, second_PSN = (uniforms(seed, np.arange(40), np.arange(10), 50) for seed in (1, 2))

    counts = np.histogram(first_PSN, bins=20, range=(0, 1))[0]
    assert np.all(np.abs(counts - 1_000) < 5 * 31)
    assert abs(np.corrcoef(first_PSN.ravel(), second_PSN.ravel())[0, 1]) < 0.03
    for axis in range(3):
        ahead, behind = (
            np.moveaxis(first_PSN, axis, 0)[cut].ravel() for cut in (np.s_[1:], np.s_[:-1])
        )
        assert abs(np.corrcoef(ahead, behind)[0, 1]) < 0.03

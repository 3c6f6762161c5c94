from collections.abc import Sequence

import pytest
import torch

from swarm.errors import UsageError
from swarm.pipeline.inference.sampler import sample
from swarm.pipeline.inference.spec import DecoderSpec
from tests.pipeline.inference.models import SMALL, sharp_model, some_prompts

pytestmark = pytest.mark.torch

MODEL = sharp_model(stop=10)


def answers(
    prompts: Sequence[bytes],
    *,
    per_prompt: int = 2,
    max_new: int = 16,
    temperature: float = 1.0,
    seed: int = 0,
    first: int = 0,
) -> list[list[bytes]]:
    return sample(
        MODEL,
        prompts,
        per_prompt=per_prompt,
        max_new=max_new,
        temperature=temperature,
        seed=seed,
        first=first,
    )


def test_greedy_answers_follow_the_model_byte_by_byte() -> None:
    prompts = some_prompts(4)

    found = answers(prompts, temperature=0.0)

    for prompt, (answer, same) in zip(prompts, found, strict=True):
        assert answer == same
        ended = answer + b"\n" * (len(answer) < 16)
        for i, byte in enumerate(ended):
            read = torch.tensor([list(prompt + ended[:i])])
            assert int(MODEL(read)[0, -1].argmax()) == byte


def test_answers_stop_before_the_line_break_and_samples_differ() -> None:
    found = answers(some_prompts(4), per_prompt=6)

    assert [len(one) for one in found] == [6] * 4
    assert not any(b"\n" in answer for one in found for answer in one)
    assert all(len(answer) <= 16 for one in found for answer in one)
    assert all(len(set(one)) > 1 for one in found)


def test_an_answer_does_not_depend_on_what_is_sampled_beside_it() -> None:
    prompts = some_prompts(6)
    whole = answers(prompts)

    in_pieces = answers(prompts[:2]) + answers(prompts[2:], first=2)
    more = answers(prompts, per_prompt=3)
    shorter = answers(prompts, max_new=4)

    assert in_pieces == whole
    assert [one[:2] for one in more] == whole
    assert shorter == [[answer[:4] for answer in one] for one in whole]


def test_the_seed_decides_and_torchs_own_generator_is_left_alone() -> None:
    prompts = some_prompts(3)
    torch.manual_seed(1)
    state = torch.get_rng_state()

    first, again, other = (answers(prompts, seed=seed) for seed in (4, 4, 5))

    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.requires_grad for parameter in MODEL.parameters())


def test_no_prompts_give_no_answers() -> None:
    assert answers([]) == []


@pytest.mark.parametrize("prompt", [b"", b"x" * (SMALL.context - 15)])
def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(prompt: bytes) -> None:
    with pytest.raises(UsageError, match=rf"prompt 1 has {len(prompt)} bytes, expected 1 to 32"):
        answers([b"fine", prompt])


def test_settings_without_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1 answer per prompt"):
        answers([b"x"], per_prompt=0)
    with pytest.raises(UsageError, match="came 2, 16 and -1"):
        answers([b"x"], temperature=-1.0)
    with pytest.raises(UsageError, match="no engine is named 'quick'; choose one of reference"):
        sample(MODEL, [b"x"], per_prompt=1, max_new=1, temperature=0, seed=0, engine="quick")
    bad = DecoderSpec(engine="cached", batch=0)
    with pytest.raises(UsageError, match="decoder: batch must be in"):
        sample(MODEL, [b"x"], per_prompt=1, max_new=1, temperature=0, seed=0, engine=bad)

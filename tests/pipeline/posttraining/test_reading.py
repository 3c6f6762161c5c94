import pytest
import torch
from msgspec.structs import replace

from swarm.pipeline.posttraining.data import Example
from swarm.pipeline.posttraining.reading import answer_nats, hidden, packed_nats
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.run import seeded
from swarm.pipeline.pretraining.spec import Architecture

pytestmark = pytest.mark.torch

SHAPES = [
    {},
    {"positions": "learned"},
    {"attention": "windowed", "window": 5},
    {"attention": "grouped-query", "n_kv_heads": 1},
    {"norm": "layernorm", "activation": "gelu", "zero_init": False, "qk_norm": False},
]


def built(shape: Architecture, change: dict[str, object]) -> Transformer:
    model = Transformer(replace(shape, depth=2, **change), seeded(0, "weights"))
    with torch.no_grad():  # a block of output zero would hide what it reads
        for matrix, _ in model.matrices():
            matrix.normal_(0.0, 0.2, generator=seeded(1, "weights"))
    return model


def alone(model: Transformer, prompt: bytes, answer: bytes) -> torch.Tensor:
    """Returns nats of the answer's bytes by the model's own forward pass, without padding."""
    row = torch.tensor(list(prompt + answer))[None]
    bits = model.bits(row[:, :-1], row[:, 1:])[0]
    return bits[len(prompt) - 1 :] * torch.tensor(2.0).log()


@pytest.mark.parametrize("change", SHAPES, ids=str)
def test_hidden_is_what_the_model_computes(shape: Architecture, change: dict[str, object]) -> None:
    model = built(shape, change)
    read = torch.arange(40).view(2, 20)

    logits = torch.nn.functional.linear(hidden(model, read), model.head_VW)

    assert torch.equal(logits, model(read))


@pytest.mark.parametrize("change", SHAPES, ids=str)
def test_rows_cost_what_each_costs_alone(shape: Architecture, change: dict[str, object]) -> None:
    model = built(shape, change)
    examples = [
        Example(b"say ab=", b"ab\n"),
        Example(b"a longer question=", b"x\n"),
        Example(b"q=", b"a long answer\n"),
    ]

    nats = answer_nats(model, examples)

    wanted = torch.cat([alone(model, *one) for one in examples])
    assert nats.sort().values.tolist() == pytest.approx(wanted.sort().values.tolist(), abs=1e-4)


@pytest.mark.parametrize("change", SHAPES, ids=str)
def test_packed_answers_cost_what_each_costs_alone(
    shape: Architecture, change: dict[str, object]
) -> None:
    model = built(shape, change)
    prompts = [b"say ab=", b"say cd="]
    groups = [[b"ab\n", b"\n", b"a longer one"], [b"cd\n", b"dc\n", b"c\n"]]

    nats_BGA = packed_nats(model, prompts, groups)

    for prompt, group, nats_GA in zip(prompts, groups, nats_BGA, strict=True):
        for answer, nats_A in zip(group, nats_GA, strict=True):
            wanted = alone(model, prompt, answer).tolist()
            assert nats_A[: len(answer)].tolist() == pytest.approx(wanted, abs=1e-4)
            assert not nats_A[len(answer) :].any()


def test_packed_groups_may_be_longer_than_the_context(shape: Architecture) -> None:
    model = built(shape, {"context": 16, "positions": "learned"})

    nats = packed_nats(model, [b"say abc="], [[b"abcdefg\n"] * 8])

    assert nats.shape == (1, 8, 8)
    assert nats[0, 0].tolist() == pytest.approx(nats[0, 7].tolist(), abs=1e-5)

import pytest
import torch
from msgspec.structs import replace

from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.spec import Architecture

pytestmark = pytest.mark.torch

PLAIN = Architecture(
    norm="layernorm",
    positions="learned",
    activation="gelu",
    qk_norm=False,
    zero_init=False,
    width=16,
    depth=2,
    heads=4,
    context=24,
)
VARIANTS = {
    "plain": PLAIN,
    "rmsnorm": replace(PLAIN, norm="rmsnorm"),
    "rope": replace(PLAIN, positions="rope"),
    "relu2": replace(PLAIN, activation="relu2"),
    "swiglu": replace(PLAIN, activation="swiglu"),
    "qk_norm": replace(PLAIN, qk_norm=True),
    "zero_init": replace(PLAIN, zero_init=True),
    "windowed": replace(PLAIN, attention="windowed", window=4),
    "grouped": replace(PLAIN, attention="grouped-query", n_kv_heads=2),
}
each_variant = pytest.mark.parametrize("shape", VARIANTS.values(), ids=VARIANTS.keys())


def build(shape: Architecture) -> Transformer:
    return Transformer(shape, torch.Generator().manual_seed(1))


def text(n_rows: int = 2, length: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(256, (n_rows, length), generator=generator)


@each_variant
def test_the_model_has_the_parameters_that_its_spec_announces(shape: Architecture) -> None:
    model = build(shape)

    assert sum(parameter.numel() for parameter in model.parameters()) == shape.n_params()


@each_variant
def test_matrices_and_others_are_all_parameters_once(shape: Architecture) -> None:
    model = build(shape)
    matrices = model.matrices()

    found = [matrix for matrix, _ in matrices] + list(model.others())

    assert sorted(id(one) for one in found) == sorted(id(one) for one in model.parameters())
    assert all(sum(parts) == matrix.shape[0] for matrix, parts in matrices)


@each_variant
def test_probabilities_of_the_next_byte_sum_to_one(shape: Architecture) -> None:
    logits = build(shape)(text())

    assert torch.softmax(logits.double(), -1).sum(-1).flatten().tolist() == pytest.approx(
        [1.0] * 48
    )


@each_variant
def test_the_future_is_not_seen(shape: Architecture) -> None:
    model, before = build(shape), text()
    after = before.clone()
    after[:, 10:] = 255 - after[:, 10:]

    assert torch.equal(model(before)[:, :10], model(after)[:, :10])


def test_bits_are_minus_log2_of_the_probability() -> None:
    model, read = build(PLAIN), text()

    bits = model.bits(read[:, :-1], read[:, 1:])

    chances = torch.softmax(model(read[:, :-1]), -1).gather(-1, read[:, 1:, None]).squeeze(-1)
    assert torch.allclose(bits, -torch.log2(chances), atol=1e-5)


def test_a_model_without_an_output_projection_costs_exactly_8_bits_a_byte() -> None:
    model, read = build(PLAIN), text()
    torch.nn.init.zeros_(model.head_VW)

    bits = model.bits(read[:, :-1], read[:, 1:])

    assert set(bits.flatten().tolist()) == {8.0}


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "plain"])
def test_each_option_changes_what_the_model_computes(name: str) -> None:
    assert not torch.equal(build(VARIANTS[name])(text()), build(PLAIN)(text()))


def test_a_zero_init_block_first_does_nothing() -> None:
    model = build(replace(VARIANTS["zero_init"], positions="rope"))
    embedded = model.embed_VW[text()]

    logits = torch.nn.functional.linear(model.norm(embedded), model.head_VW)

    assert torch.equal(model(text()), logits)


def test_a_window_hides_what_lies_further_back() -> None:
    model = build(replace(VARIANTS["windowed"], depth=1, positions="rope"))
    before = text()
    after = before.clone()
    after[:, 0] = 255 - after[:, 0]

    changed = (model(before) != model(after)).any(-1)[0]

    assert changed.nonzero().flatten().tolist() == [0, 1, 2, 3]


def test_rotary_positions_depend_on_distance_alone() -> None:
    model = build(replace(VARIANTS["windowed"], depth=1, positions="rope"))
    phrase = text(1, 4)
    twice = torch.cat((phrase, phrase, phrase), dim=1)

    logits = model(twice)

    assert torch.allclose(logits[0, 7], logits[0, 11], atol=1e-5)


def test_weights_are_a_function_of_the_generator() -> None:
    first, again = build(PLAIN).state_dict(), build(PLAIN).state_dict()

    assert all(torch.equal(first[name], again[name]) for name in first)

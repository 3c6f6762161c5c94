"""Small models of random weights whose choices are far apart, and prompts for them."""

import torch
from msgspec.structs import replace

from swarm.kernel.rng import Stream
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE, Architecture

SMALL = replace(GENERATION_0_ARCHITECTURE, width=32, context=48)

SHAPES: dict[str, Architecture] = {
    "plain": SMALL,
    "modern": replace(
        SMALL, norm="rmsnorm", positions="rope", activation="relu2", qk_norm=True, depth=3
    ),
    "windowed": replace(SMALL, attention="windowed", window=5, activation="swiglu"),
    "itself only": replace(SMALL, attention="windowed", window=1, positions="rope"),
    "grouped-query": replace(
        SMALL, attention="grouped-query", n_kv_heads=2, positions="rope", heads=8
    ),
    "odd widths": replace(SMALL, width=36, heads=3, activation="swiglu", norm="rmsnorm"),
}


def sharp_model(
    shape: Architecture = SMALL, *, seed: int = 0, stop: int | None = None
) -> Transformer:
    """Random weights large enough that near-ties are rare.

    With layer norms the stop byte, where one is given, ends answers after about ten bytes.
    """
    generator = torch.Generator().manual_seed(seed)
    model = Transformer(shape, generator)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(0.0, 0.2, generator=generator)
        model.head_VW.mul_(3.0)
        if stop is not None:
            shift = model.norm.bias
            assert isinstance(shift, torch.Tensor)
            shift += 9.0 / model.head_VW[stop].square().sum() * model.head_VW[stop]
    return model


def some_prompts(number: int, *, longest: int = 24, seed: int = 0) -> list[bytes]:
    """Printable prompts: one byte, the longest, then lengths between."""
    stream = Stream(seed=seed, owner="test", name="prompts")
    lengths = [1, longest, *(1 + stream.integer(longest) for _ in range(number))][:number]
    return [bytes(32 + stream.integer(95) for _ in range(length)) for length in lengths]

"""Our checkpoints in transformers: the same logits, the same bytes."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import torch
from msgspec.structs import replace

from swarm.pipeline.inference.hugging_face import head_width, not_llama, write_checkpoint
from swarm.pipeline.inference.sampler import sample
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE, Architecture

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LLAMA = replace(
    GENERATION_0_ARCHITECTURE,
    norm="rmsnorm",
    positions="rope",
    activation="swiglu",
)
WIDE = replace(LLAMA, width=64, heads=2)
GROUPED = replace(LLAMA, attention="grouped-query", n_kv_heads=2)
MODERN = replace(
    LLAMA, qk_norm=True, activation="relu2", attention="grouped-query", norm="layernorm"
)
WINDOWED = replace(LLAMA, attention="windowed", window=5)
LEARNED = GENERATION_0_ARCHITECTURE


@pytest.fixture(scope="module")
def transformers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The library, which asks nobody and copies modeling files to a place of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        pytest.importorskip("transformers")
        yield importlib.import_module("transformers")


def random_model(shape: Architecture) -> Transformer:
    """A model whose every weight matters: norms too, and blocks that start at zero."""
    model = Transformer(shape, torch.Generator().manual_seed(1))
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=draw))
    return model


def loaded(transformers: ModuleType, folder: Path) -> "PreTrainedModel":
    auto = transformers.AutoModelForCausalLM
    model: PreTrainedModel = auto.from_pretrained(
        folder, trust_remote_code=True, dtype=torch.float32
    )
    model.train(mode=False)
    return model


def text(n_batch: int, n_time: int) -> torch.Tensor:
    return torch.randint(0, 256, (n_batch, n_time), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("shape", "others"),
    [
        (LLAMA, ()),
        (GROUPED, ()),
        (replace(LLAMA, zero_init=True), ()),
        (MODERN, ("norm layernorm", "activation relu2", "qk_norm")),
        (WINDOWED, ("windowed attention",)),
        (LEARNED, ("norm layernorm", "positions learned", "activation gelu")),
    ],
)
def test_what_is_not_llama_is_named(shape: Architecture, others: tuple[str, ...]) -> None:
    assert not_llama(shape) == others


@pytest.mark.parametrize(("heads", "wide"), [(16, 32), (4, 32), (2, 32), (1, 64)])
def test_heads_are_filled_up_to_what_engines_know(heads: int, wide: int) -> None:
    assert head_width(replace(LLAMA, heads=heads)) == wide


@pytest.mark.torch
@pytest.mark.parametrize("shape", [LLAMA, WIDE, GROUPED], ids=["narrow", "wide", "grouped"])
def test_a_llama_is_stock_and_has_our_logits(
    transformers: ModuleType, tmp_path: Path, shape: Architecture
) -> None:
    model = random_model(shape)

    written = write_checkpoint(model, tmp_path)

    theirs = loaded(transformers, tmp_path)
    assert written.is_llama
    assert type(theirs) is transformers.LlamaForCausalLM
    with torch.inference_mode():
        logits, expected = theirs(text(3, shape.context)).logits, model(text(3, shape.context))
    torch.testing.assert_close(logits, expected, atol=1e-3, rtol=1e-4)


@pytest.mark.torch
@pytest.mark.parametrize("shape", [MODERN, WINDOWED, LEARNED], ids=["modern", "window", "learned"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_another_shape_brings_its_modeling_file_and_has_our_logits(
    transformers: ModuleType, tmp_path: Path, shape: Architecture, attention: str
) -> None:
    model = random_model(shape)

    written = write_checkpoint(model, tmp_path)

    theirs = loaded(transformers, tmp_path)
    theirs.set_attn_implementation(attention)
    assert not written.is_llama
    assert written.because == not_llama(shape)
    with torch.inference_mode():
        logits, expected = theirs(text(3, shape.context)).logits, model(text(3, shape.context))
    torch.testing.assert_close(logits, expected, atol=1e-3, rtol=1e-4)


@pytest.mark.torch
@pytest.mark.parametrize("shape", [GROUPED, MODERN, WINDOWED], ids=["llama", "modern", "window"])
def test_transformers_generates_what_we_decode(
    transformers: ModuleType, tmp_path: Path, shape: Architecture
) -> None:
    model = random_model(shape)
    write_checkpoint(model, tmp_path)
    prompt = b"def answer(x): "

    made = transformers.GenerationMixin.generate(
        loaded(transformers, tmp_path),
        torch.tensor([list(prompt)]),
        do_sample=False,
        max_new_tokens=12,
        eos_token_id=10,
    )

    [[ours]] = sample(model, [prompt], per_prompt=1, max_new=12, temperature=0.0, seed=0)
    assert bytes(made[0, len(prompt) :].tolist()).split(b"\n", 1)[0] == ours


@pytest.mark.torch
def test_the_tokenizer_has_one_token_for_each_byte(
    transformers: ModuleType, tmp_path: Path
) -> None:
    write_checkpoint(random_model(LLAMA), tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    written = "tabs\tand lines\n\r, Ünïcode Ā 漢字 🐝, controls \x01\x7f" + "".join(
        map(chr, range(1, 0x180))
    )

    tokens = tokenizer(written).input_ids

    assert tokens == list(written.encode())
    assert tokenizer.decode(tokens) == written
    assert tokenizer.eos_token_id == 0
    assert len(tokenizer) == 256

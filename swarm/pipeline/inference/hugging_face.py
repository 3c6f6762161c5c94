"""A checkpoint as a Hugging Face folder: for transformers, vLLM and whatever else reads one.

Where a shape is Llama's (``not_llama`` says what is not), the folder is a stock Llama: our rotary
positions turn the pairs (i, i + D / 2) by the angles of Llama, so weights go over as they are.
Otherwise the folder brings its own modeling file and needs ``trust_remote_code``.

Engines know certain widths of heads only, so narrower heads are filled up with zeros, which
changes nothing: a stock Llama gets zero rows, its queries are scaled by what the wider head would
divide them by, and the base of its rotary positions becomes the one that gives the same angles to
the pairs that are left. The modeling file fills up while it computes.

The tokenizer has one token for each byte, whose number is the byte. Byte 0, which no text has,
is the end of a text for those who need one.

Sources: Llama 2 (arXiv:2307.09288) as in transformers; the printable names of bytes are GPT-2's.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from swarm.errors import RunFailedError, boundary
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.spec import VOCABULARY, Architecture

END_OF_TEXT = 0
"""The byte that ends a text, where somebody asks for one; named ``<|end|>`` by the tokenizer."""

HEAD_WIDTHS = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
"""What vLLM's attention on a CPU knows (vLLM 0.32, ``cpu_attn.py``)."""

_END_NAME = "<|end|>"
_ROPE_BASE = 10_000.0
_MODELING = Path(__file__).with_name("hugging_face_model.py")
_CHAT_TEMPLATE = "{% for turn in messages %}{{ turn['content'] }}\n{% endfor %}"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the folder is."""

    folder: Path
    is_llama: bool
    because: tuple[str, ...]
    """Settings that are not Llama's; empty if it is one."""
    context: int
    """Of the model, in bytes."""


def not_llama(shape: Architecture) -> tuple[str, ...]:
    """Returns the settings in which a shape is not Llama's, in words; none if it is a Llama."""
    theirs = {"norm": "rmsnorm", "positions": "rope", "activation": "swiglu", "qk_norm": False}
    others = [
        f"{name} {ours}" if isinstance(ours := getattr(shape, name), str) else name
        for name, stock in theirs.items()
        if getattr(shape, name) != stock
    ]
    return tuple(others + (["windowed attention"] if shape.attention == "windowed" else []))


def write_checkpoint(model: Transformer, folder: Path) -> Written:
    """Writes weights, config and tokenizer; files of these names in the folder are replaced.

    Raises:
        RunFailedError: If the disk refuses.
    """
    because = not_llama(model.shape)
    if because:
        config, weights = _own_config(model.shape), own_weights(model)
    else:
        config, weights = _llama_config(model.shape), llama_weights(model)
    with boundary(RunFailedError, f"writing the checkpoint to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        if because:
            shutil.copyfile(_MODELING, folder / "modeling_swarm.py")
        data = safetensors.torch.save(weights, {"format": "pt"})
        (folder / "model.safetensors").write_bytes(data)
        _write(folder / "config.json", config)
        _write(folder / "generation_config.json", {"eos_token_id": END_OF_TEXT})
        _write(folder / "tokenizer.json", _tokenizer())
        _write(folder / "tokenizer_config.json", _tokenizer_config(model.shape))
    return Written(
        folder=folder, is_llama=not because, because=because, context=model.shape.context
    )


def head_width(shape: Architecture) -> int:
    """Returns the width of a head when it is filled up with zeros."""
    width = shape.width // shape.heads
    return next(known for known in HEAD_WIDTHS if known >= width)


def llama_weights(model: Transformer) -> dict[str, Tensor]:
    """Returns the weights by Llama's names, heads filled up; the shape must be a Llama's."""
    weights = own_weights(model)
    shape, width = model.shape, model.shape.width // model.shape.heads
    wide = head_width(shape)
    for block in range(shape.depth):
        names = [f"model.layers.{block}.self_attn.{one}_proj.weight" for one in "qkvo"]
        q, k, v, o = (weights[name] for name in names)
        # Attention divides by the root of the width of a head, which is now that of a wider one.
        weights[names[0]] = _spread(q, width, wide) * (wide / width) ** 0.5
        weights[names[1]] = _spread(k, width, wide)
        weights[names[2]] = _spread(v, width, wide)
        weights[names[3]] = _spread(o.T, width, wide).T.contiguous()
    return weights


def own_weights(model: Transformer) -> dict[str, Tensor]:
    """Returns the weights by the names of the modeling file, which are Llama's where it has one."""
    shape = model.shape
    found = {
        "model.embed_tokens.weight": model.embed_VW,
        "lm_head.weight": model.head_VW,
        **_norm_weights("model.norm", model.norm),
    }
    if model.positions_TW is not None:
        found["model.embed_positions.weight"] = model.positions_TW
    parts = (shape.width, shape.kv_width(), shape.kv_width())
    # Any: torch types the members of a module list as bare modules.
    blocks: list[Any] = list(model.blocks)
    for number, block in enumerate(blocks):
        prefix = f"model.layers.{number}"
        q_k_v = block.query_key_value.split(parts)
        for name, weight in zip("qkv", q_k_v, strict=True):
            found[f"{prefix}.self_attn.{name}_proj.weight"] = weight
        found[f"{prefix}.self_attn.o_proj.weight"] = block.attention_out
        names = ("gate", "up") if shape.activation == "swiglu" else ("up",)
        for name, weight in zip(names, block.up.split(shape.hidden()), strict=True):
            found[f"{prefix}.mlp.{name}_proj.weight"] = weight
        found[f"{prefix}.mlp.down_proj.weight"] = block.mlp_out
        found |= _norm_weights(f"{prefix}.input_layernorm", block.norm_1)
        found |= _norm_weights(f"{prefix}.post_attention_layernorm", block.norm_2)
    # Copies: the file must not hold two names for one piece of memory.
    return {name: weight.detach().clone() for name, weight in found.items()}


def _norm_weights(name: str, norm: torch.nn.Module) -> dict[str, Tensor]:
    return {f"{name}.{key}": weight for key, weight in norm.named_parameters()}


def _spread(rows: Tensor, width: int, wide: int) -> Tensor:
    """Fills the rows of each head up with zeros: each half of a head becomes half a wider one.

    Rotary positions pair the two halves, so a pair must remain one.
    """
    halves = rows.reshape(-1, width // 2, rows.shape[1])
    filled = halves.new_zeros(len(halves), wide // 2, rows.shape[1])
    filled[:, : width // 2] = halves
    return filled.flatten(0, 1)


def _common_config(shape: Architecture) -> dict[str, object]:
    grouped = shape.attention == "grouped-query"
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden(),
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.n_kv_heads if grouped else shape.heads,
        "head_dim": head_width(shape),
        "max_position_embeddings": shape.context,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": END_OF_TEXT,
        "dtype": "float32",
    }


def _llama_config(shape: Architecture) -> dict[str, object]:
    width = shape.width // shape.heads
    base = _ROPE_BASE ** (head_width(shape) / width)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **_common_config(shape),
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        # The first for readers before transformers 5, the second for those since.
        "rope_theta": base,
        "rope_parameters": {"rope_type": "default", "rope_theta": base},
        "attention_bias": False,
        "mlp_bias": False,
    }


def _own_config(shape: Architecture) -> dict[str, object]:
    return {
        "architectures": ["SwarmForCausalLM"],
        "model_type": "swarm",
        "auto_map": {
            "AutoConfig": "modeling_swarm.SwarmConfig",
            "AutoModel": "modeling_swarm.SwarmModel",
            "AutoModelForCausalLM": "modeling_swarm.SwarmForCausalLM",
        },
        **_common_config(shape),
        "head_width": shape.width // shape.heads,
        "norm": shape.norm,
        "positions": shape.positions,
        "activation": shape.activation,
        "is_qk_normed": shape.qk_norm,
        "sliding_window": shape.window if shape.attention == "windowed" else None,
    }


def _tokenizer() -> dict[str, object]:
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": False,
    }
    end = {
        "id": END_OF_TEXT,
        "content": _END_NAME,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [end],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {name: byte for byte, name in enumerate(_byte_names())},
            "merges": [],
        },
    }


def _tokenizer_config(shape: Architecture) -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": _END_NAME,
        "model_max_length": shape.context,
        "clean_up_tokenization_spaces": False,
        "chat_template": _CHAT_TEMPLATE,
    }


def _byte_names() -> list[str]:
    """Returns how GPT-2 writes each byte: itself if it can be seen, else from 256 on in order."""
    seen = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    unseen = [byte for byte in range(VOCABULARY) if byte not in seen]
    names = [
        chr(byte if byte in seen else VOCABULARY + unseen.index(byte)) for byte in range(VOCABULARY)
    ]
    return [_END_NAME, *names[1:]]


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")

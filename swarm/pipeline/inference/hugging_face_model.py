"""A swarm model for Hugging Face transformers, where its shape is not Llama's.

An export copies this file, as it is, beside the weights as ``modeling_swarm.py``: it imports torch
and transformers and nothing else, and swarm itself never imports it. Load the folder with
``AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)``; vLLM loads it with
``--trust-remote-code``, through its backend for transformers models. For that backend's sake the
call of attention has the form that transformers' own models have. It is longer than 300 lines
because an exported folder takes one file.

Legend of suffixes: B sequences, T positions, W width, H heads, K key-value heads, D width of a
head.

Sources: those of swarm's own model: RoFormer (arXiv:2104.09864), Primer (arXiv:2109.08668, squared
ReLU), GLU variants (arXiv:2002.05202), GQA (arXiv:2305.13245), query-key normalisation
(arXiv:2010.04245).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

ROPE_BASE = 10_000.0
NORM_EPSILON = {"layernorm": 1e-5, "rmsnorm": 1e-6}


class SwarmConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """What shape the model has; the names are transformers' where it has one.

    ``head_width`` is the real width of a head; ``head_dim`` what attention is computed with: zeros
    fill it up, because some engines know certain widths only.
    """

    model_type = "swarm"

    def __init__(
        self,
        *,
        norm: str = "layernorm",
        positions: str = "learned",
        activation: str = "gelu",
        is_qk_normed: bool = False,
        vocab_size: int = 256,
        hidden_size: int = 64,
        intermediate_size: int = 256,
        num_hidden_layers: int = 2,
        num_attention_heads: int = 4,
        num_key_value_heads: int = 4,
        head_width: int = 16,
        head_dim: int = 32,
        max_position_embeddings: int = 64,
        sliding_window: int | None = None,
        **others: Any,  # noqa: ANN401  transformers passes whatever config.json holds
    ) -> None:
        self.norm, self.positions, self.activation = norm, positions, activation
        self.is_qk_normed = is_qk_normed
        self.vocab_size = vocab_size
        self.hidden_size, self.intermediate_size = hidden_size, intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads
        self.head_width, self.head_dim = head_width, head_dim
        self.max_position_embeddings = max_position_embeddings
        self.sliding_window = sliding_window
        kind = "full_attention" if sliding_window is None else "sliding_attention"
        self.layer_types = [kind] * num_hidden_layers
        super().__init__(**{"tie_word_embeddings": False, **others})


class SwarmAttention(nn.Module):
    """Attention with grouped queries, rotary positions and normalised keys, each if asked for."""

    def __init__(self, config: SwarmConfig, layer_idx: int) -> None:
        super().__init__()
        self.config, self.layer_idx = config, layer_idx
        self.is_causal = True
        self.scaling = config.head_width**-0.5
        self.sliding_window = config.sliding_window
        self.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads
        inner = config.num_attention_heads * config.head_width
        kv_inner = config.num_key_value_heads * config.head_width
        self.q_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, kv_inner, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, kv_inner, bias=False)
        self.o_proj = nn.Linear(inner, config.hidden_size, bias=False)

    def forward(
        self,
        x_BTW: Tensor,
        turn: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        cache: Any,  # noqa: ANN401  a cache of transformers
        **others: Any,  # noqa: ANN401  what vLLM needs to know
    ) -> Tensor:
        """Returns what the positions read from those before them, (B, T, W)."""
        n_batch, n_time, _ = x_BTW.shape
        width = self.config.head_width
        q, k, v = (
            projected(x_BTW).view(n_batch, n_time, -1, width).transpose(1, 2)
            for projected in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.config.is_qk_normed:
            q, k = functional.rms_norm(q, (width,)), functional.rms_norm(k, (width,))
        if turn is not None:
            q, k = rotate(q, turn), rotate(k, turn)
        room = (0, self.config.head_dim - width)
        q, k, v = functional.pad(q, room), functional.pad(k, room), functional.pad(v, room)
        if cache is not None:
            k, v = cache.update(k, v, self.layer_idx)
        attention: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation,  # noqa: SLF001  as all models of transformers do
            plain_attention,
        )
        y, _ = attention(
            self, q, k, v, mask, scaling=self.scaling, sliding_window=self.sliding_window, **others
        )
        y_BTHD = y.reshape(n_batch, n_time, -1, self.config.head_dim)[..., :width]
        read: Tensor = self.o_proj(y_BTHD.flatten(2))
        return read


class SwarmMLP(nn.Module):
    """The hidden layer of a block."""

    def __init__(self, config: SwarmConfig) -> None:
        super().__init__()
        self.activation = config.activation
        width, hidden = config.hidden_size, config.intermediate_size
        if config.activation == "swiglu":
            self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x_BTW: Tensor) -> Tensor:
        """Returns the change of the stream, (B, T, W)."""
        up = self.up_proj(x_BTW)
        if self.activation == "swiglu":
            up = functional.silu(self.gate_proj(x_BTW)) * up
        elif self.activation == "relu2":
            up = functional.relu(up).square()
        else:
            up = functional.gelu(up, approximate="tanh")
        change: Tensor = self.down_proj(up)
        return change


class SwarmBlock(nn.Module):
    """Attention and a hidden layer, each normalised before and added to the stream after."""

    def __init__(self, config: SwarmConfig, layer_idx: int) -> None:
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = norm(config), norm(config)
        self.self_attn = SwarmAttention(config, layer_idx)
        self.mlp = SwarmMLP(config)

    def forward(
        self,
        x_BTW: Tensor,
        turn: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        cache: Any,  # noqa: ANN401  as above
        **others: Any,  # noqa: ANN401  as above
    ) -> Tensor:
        """Returns the stream behind the block, (B, T, W)."""
        x_BTW = x_BTW + self.self_attn(self.input_layernorm(x_BTW), turn, mask, cache, **others)
        changed: Tensor = x_BTW + self.mlp(self.post_attention_layernorm(x_BTW))
        return changed


class SwarmPreTrainedModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """What transformers and vLLM want to know of any of its models."""

    config_class = SwarmConfig
    base_model_prefix = "model"
    _supports_sdpa = True
    _supports_attention_backend = True


class SwarmModel(SwarmPreTrainedModel):  # type: ignore[no-untyped-call]
    """Everything but the output projection."""

    def __init__(self, config: SwarmConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        if config.positions == "learned":
            self.embed_positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.layers = nn.ModuleList(SwarmBlock(config, i) for i in range(config.num_hidden_layers))
        self.norm = norm(config)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(  # noqa: PLR0917  transformers' signature
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,  # noqa: ANN401  as above
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,  # noqa: FBT001  as above
        **others: Any,  # noqa: ANN401  as above
    ) -> BaseModelOutputWithPast:
        """Returns the stream behind the last block, normalised."""
        x_BTW = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        if position_ids is None:
            seen = 0 if past_key_values is None else past_key_values.get_seq_length()
            position_ids = torch.arange(x_BTW.shape[1], device=x_BTW.device)[None] + seen
        is_sliding = self.config.sliding_window is not None
        make_mask = create_sliding_window_causal_mask if is_sliding else create_causal_mask
        mask = make_mask(
            config=self.config,
            inputs_embeds=x_BTW,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            position_ids=position_ids,
        )
        turn = None
        if self.config.positions == "learned":
            x_BTW = x_BTW + self.embed_positions(position_ids)
        else:
            turn = rotation(position_ids, self.config.head_width, x_BTW.dtype)
        for layer in self.layers:
            x_BTW = layer(x_BTW, turn, mask, past_key_values, **others)
        return BaseModelOutputWithPast(
            last_hidden_state=self.norm(x_BTW), past_key_values=past_key_values
        )


class SwarmForCausalLM(SwarmPreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """The whole model."""

    def __init__(self, config: SwarmConfig) -> None:
        super().__init__(config)
        self.model = SwarmModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(  # noqa: PLR0917  transformers' signature
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,  # noqa: ANN401  as above
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,  # noqa: FBT001  as above
        logits_to_keep: int = 0,
        **others: Any,  # noqa: ANN401  as above
    ) -> CausalLMOutputWithPast:
        """Returns logits of the byte after each position, or after the last few."""
        found = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **others,
        )
        logits = self.lm_head(found.last_hidden_state[:, -logits_to_keep:])
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=labels, vocab_size=self.config.vocab_size
            )
        return CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=found.past_key_values
        )


def norm(config: SwarmConfig) -> nn.Module:
    """Returns a new normalisation of the stream."""
    kind = nn.LayerNorm if config.norm == "layernorm" else nn.RMSNorm
    return kind(config.hidden_size, eps=NORM_EPSILON[config.norm])


def rotation(position_ids: Tensor, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Returns cosines and sines of the angle of each position and pair, (B, 1, T, D / 2)."""
    half = width // 2
    pairs = torch.arange(half, dtype=torch.float32, device=position_ids.device)
    angle = position_ids[:, None, :, None].float() * ROPE_BASE ** (-pairs / half)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(x_BHTD: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turns each pair (i, i + D / 2) of numbers by the angle of its position."""
    cos, sin = turn
    a, b = x_BHTD.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


def plain_attention(  # noqa: PLR0917  as above
    module: SwarmAttention,
    q_BHTD: Tensor,
    k_BKTD: Tensor,
    v_BKTD: Tensor,
    mask: Tensor | None,
    scaling: float,
    **_: Any,  # noqa: ANN401  as above
) -> tuple[Tensor, None]:
    """Attends without any library, for transformers' ``eager`` implementation."""
    repeat = module.num_key_value_groups
    k_BHTD, v_BHTD = (x.repeat_interleave(repeat, dim=1) for x in (k_BKTD, v_BKTD))
    scores = q_BHTD @ k_BHTD.transpose(2, 3) * scaling
    if mask is not None:
        scores = scores + mask
    return (scores.softmax(dim=-1) @ v_BHTD).transpose(1, 2).contiguous(), None

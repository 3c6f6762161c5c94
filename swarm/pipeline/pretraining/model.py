"""The model: a decoder-only transformer over bytes, in the shape that an ``Architecture`` says.

Legend of suffixes: B sequences, T positions, W width, H heads, K key-value heads, D width of a
head, V vocabulary (256 bytes).

Sources: GPT-2 (layout, initialisation: normal of deviation .02, output projections of the blocks
divided by the root of their number), nanochat (initialisation for ``zero_init``: those projections
at zero, the matrices before them of deviation 1 / sqrt(columns)), RoFormer (arXiv:2104.09864,
rotary positions), Primer (arXiv:2109.08668, squared ReLU), GLU variants (arXiv:2002.05202, SwiGLU),
GQA (arXiv:2305.13245), query-key normalisation (arXiv:2010.04245; here to unit root mean square,
without a learned scale).
Deviations: no biases in matrices, no dropout, input and output embeddings are not tied.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from swarm.pipeline.pretraining.spec import VOCABULARY, Architecture

_INIT_STD = 0.02
_ROPE_BASE = 10_000.0


def use_one_deterministic_thread() -> None:
    """Sets torch so that equal inputs give equal bits; called by every job as it starts."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)  # noqa: FBT003  (torch takes it by position)


class Transformer(nn.Module):
    """Predicts each next byte from those before it.

    Args:
        shape: What to build; must have no problem.
        generator: Draws the first weights, in the order of construction.
    """

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.embed_VW = _normal(VOCABULARY, shape.width, generator)
        self.positions_TW = (
            _normal(shape.context, shape.width, generator) if shape.positions == "learned" else None
        )
        self.blocks = nn.ModuleList(_Block(shape, generator) for _ in range(shape.depth))
        self.norm = _norm(shape)
        self.head_VW = _normal(VOCABULARY, shape.width, generator)
        rotation = _rotation(shape) if shape.positions == "rope" else None
        self.register_buffer("rotation", rotation, persistent=False)
        mask = _window_mask(shape) if shape.attention == "windowed" else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, bytes_BT: Tensor) -> Tensor:
        """Returns logits of the byte after each position.

        Shape:
            (B, T) integers in [0, 256), T at most the context -> (B, T, V).
        """
        x_BTW = functional.embedding(bytes_BT, self.embed_VW)
        if self.positions_TW is not None:
            x_BTW = x_BTW + self.positions_TW[: bytes_BT.shape[1]]
        for block in self.blocks:
            x_BTW = block(x_BTW, self.rotation, self.mask)
        return functional.linear(self.norm(x_BTW), self.head_VW)

    def bits(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Returns the bits each target costs: minus log2 of its probability, (B, T)."""
        logits_NV = self(inputs_BT).flatten(0, 1)
        nats_N = functional.cross_entropy(logits_NV, targets_BT.flatten(), reduction="none")
        return nats_N.view(targets_BT.shape) / math.log(2)

    def matrices(self) -> list[tuple[Tensor, tuple[int, ...]]]:
        """Returns the matrices inside the blocks, each with the rows of its independent parts."""
        shape = self.shape
        parts = (shape.width, shape.kv_width(), shape.kv_width())
        found: list[tuple[Tensor, tuple[int, ...]]] = []
        for block in self.blocks:
            assert isinstance(block, _Block)
            found.append((block.query_key_value, parts))
            up_parts = (shape.hidden(),) * (2 if shape.activation == "swiglu" else 1)
            found.append((block.up, up_parts))
            found += ((one, (shape.width,)) for one in (block.attention_out, block.mlp_out))
        return found

    def others(self) -> list[nn.Parameter]:
        """Returns everything else that is trained: embeddings, norms, the output projection."""
        tables = (self.embed_VW, self.positions_TW, self.head_VW)
        norms = (one for one in self.modules() if isinstance(one, nn.LayerNorm | nn.RMSNorm))
        found = [one for one in tables if one is not None]
        return found + [parameter for norm in norms for parameter in norm.parameters()]


class _Block(nn.Module):
    """Attention and a hidden layer, each normalised before and added to the stream after."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        width, hidden = shape.width, shape.hidden()
        n_up = hidden * (2 if shape.activation == "swiglu" else 1)
        self.norm_1, self.norm_2 = _norm(shape), _norm(shape)
        self.query_key_value = _normal(width + 2 * shape.kv_width(), width, generator)
        self.attention_out = _normal(width, width, generator)
        self.up = _normal(n_up, width, generator)
        self.mlp_out = _normal(width, hidden, generator)
        before, after = (1.0, (2 * shape.depth) ** -0.5)
        if shape.zero_init:
            before, after = width**-0.5 / _INIT_STD, 0.0
        with torch.no_grad():
            for one in (self.query_key_value, self.up):
                one.mul_(before)
            for one in (self.attention_out, self.mlp_out):
                one.mul_(after)

    def forward(self, x_BTW: Tensor, rotation: Tensor | None, mask_TT: Tensor | None) -> Tensor:
        x_BTW = x_BTW + self._attend(self.norm_1(x_BTW), rotation, mask_TT)
        return x_BTW + self._think(self.norm_2(x_BTW))

    def _attend(self, x_BTW: Tensor, rotation: Tensor | None, mask_TT: Tensor | None) -> Tensor:
        shape = self.shape
        n_batch, n_time, _ = x_BTW.shape
        projected = functional.linear(x_BTW, self.query_key_value)
        heads = projected.view(n_batch, n_time, -1, shape.width // shape.heads).transpose(1, 2)
        n_kv = shape.kv_width() * shape.heads // shape.width
        q_BHTD, k_BKTD, v_BKTD = torch.split(heads, [shape.heads, n_kv, n_kv], dim=1)
        if shape.qk_norm:
            q_BHTD, k_BKTD = (functional.rms_norm(x, x.shape[-1:]) for x in (q_BHTD, k_BKTD))
        if rotation is not None:
            q_BHTD, k_BKTD = _rotate(q_BHTD, rotation), _rotate(k_BKTD, rotation)
        if n_kv != shape.heads:
            k_BKTD = k_BKTD.repeat_interleave(shape.heads // n_kv, dim=1)
            v_BKTD = v_BKTD.repeat_interleave(shape.heads // n_kv, dim=1)
        mask = None if mask_TT is None else mask_TT[:n_time, :n_time]
        y_BHTD = functional.scaled_dot_product_attention(
            q_BHTD, k_BKTD, v_BKTD, attn_mask=mask, is_causal=mask is None
        )
        return functional.linear(y_BHTD.transpose(1, 2).flatten(2), self.attention_out)

    def _think(self, x_BTW: Tensor) -> Tensor:
        up = functional.linear(x_BTW, self.up)
        match self.shape.activation:
            case "gelu":
                up = functional.gelu(up, approximate="tanh")
            case "relu2":
                up = functional.relu(up).square()
            case "swiglu":
                gate, value = up.chunk(2, dim=-1)
                up = functional.silu(gate) * value
        return functional.linear(up, self.mlp_out)


def _normal(rows: int, columns: int, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.empty(rows, columns).normal_(0.0, _INIT_STD, generator=generator))


def _norm(shape: Architecture) -> nn.Module:
    if shape.norm == "layernorm":
        return nn.LayerNorm(shape.width)
    return nn.RMSNorm(shape.width, eps=1e-6)


def _rotation(shape: Architecture) -> Tensor:
    """Returns cosines and sines of the angle of each position and pair of numbers, (2, T, D/2)."""
    half = shape.width // shape.heads // 2
    speed = _ROPE_BASE ** (-torch.arange(half, dtype=torch.float32) / half)
    angle_TD = torch.outer(torch.arange(shape.context, dtype=torch.float32), speed)
    return torch.stack((angle_TD.cos(), angle_TD.sin()))


def _rotate(x_BHTD: Tensor, rotation: Tensor) -> Tensor:
    cos_TD, sin_TD = rotation[:, : x_BHTD.shape[2]]
    a, b = x_BHTD.chunk(2, dim=-1)
    return torch.cat((a * cos_TD - b * sin_TD, a * sin_TD + b * cos_TD), dim=-1)


def _window_mask(shape: Architecture) -> Tensor:
    """Returns which keys each query may see: itself and those before, up to the window, (T, T)."""
    at = torch.arange(shape.context)
    behind = at[:, None] - at[None, :]
    return (behind >= 0) & (behind < shape.window)

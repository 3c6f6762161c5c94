"""The model's layers one position at a time: what engines with a cache on torch share.

``Stack`` repeats the arithmetic of ``Transformer`` but leaves attention over earlier positions to
the engine, which knows how its cache is laid out. The conformance tests hold it against the model.

Legend of suffixes: B sequences, T positions, R rows (one position of a sequence each), W width,
H heads, K key-value heads, G query heads of each, D width of a head, V vocabulary.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from swarm.pipeline.inference.spec import Precision
from swarm.pipeline.pretraining.model import Transformer

Attend: TypeAlias = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(number of the block, q_RKGD, k_RKD, v_RKD) -> y_RKGD: remembers k and v, then attends."""

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


class Layout(NamedTuple):
    """How the width is divided."""

    n_kv: int
    per_kv: int
    """Query heads of each key-value head."""
    head: int

    @property
    def scale(self) -> float:
        """What scores are multiplied with."""
        return float(self.head**-0.5)


class Stack:
    """Reads a model's weights where they lie, so that updates in place are seen at once."""

    def __init__(self, model: Transformer) -> None:
        shape = model.shape
        head = shape.width // shape.heads
        n_kv = shape.kv_width() // head
        self.model, self.shape = model, shape
        self.layout = Layout(n_kv=n_kv, per_kv=shape.heads // n_kv, head=head)
        self.window = shape.window if shape.attention == "windowed" else shape.context
        """Keys that a query may see, itself included."""
        # Any: torch types the members of a module list as bare modules.
        self._blocks: list[Any] = list(model.blocks)

    def prefill(self, bytes_BT: Tensor, length_B: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Reads whole prompts, padded on the right.

        Returns:
            Logits of the byte after each prompt, (B, V), and for each block its keys and values,
            (2, B, K, T, D). Those of padding are there too and must not be attended to.
        """
        n_batch, n_time = bytes_BT.shape
        at_T = torch.arange(n_time)
        behind_TT = at_T[:, None] - at_T[None, :]
        mask_TT = (behind_TT >= 0) & (behind_TT < self.window)
        found: list[Tensor] = []

        def attend(_: int, q_NKGD: Tensor, k_NKD: Tensor, v_NKD: Tensor) -> Tensor:
            k_BKTD, v_BKTD = (
                x.view(n_batch, n_time, *x.shape[1:]).transpose(1, 2) for x in (k_NKD, v_NKD)
            )
            found.append(torch.stack((k_BKTD, v_BKTD)))
            q_BTHD = q_NKGD.view(n_batch, n_time, -1, self.layout.head)
            repeat = self.layout.per_kv
            y_BHTD = functional.scaled_dot_product_attention(
                q_BTHD.transpose(1, 2),
                k_BKTD.repeat_interleave(repeat, dim=1) if repeat > 1 else k_BKTD,
                v_BKTD.repeat_interleave(repeat, dim=1) if repeat > 1 else v_BKTD,
                attn_mask=mask_TT,
            )
            return y_BHTD.transpose(1, 2)

        x_NW = self._through(bytes_BT.flatten(), at_T.repeat(n_batch), attend)
        last_BW = x_NW.view(n_batch, n_time, -1)[torch.arange(n_batch), length_B - 1]
        return self._logits(last_BW), found

    def step(self, bytes_R: Tensor, at_R: Tensor, attend: Attend) -> Tensor:
        """Reads one byte of each row, at these positions; returns logits of the next, (R, V)."""
        return self._logits(self._through(bytes_R, at_R, attend))

    def _through(self, bytes_R: Tensor, at_R: Tensor, attend: Attend) -> Tensor:
        model, shape = self.model, self.shape
        x_RW = functional.embedding(bytes_R, model.embed_VW)
        if model.positions_TW is not None:
            x_RW = x_RW + functional.embedding(at_R, model.positions_TW)
        turn = None
        if isinstance(model.rotation, Tensor):
            turn = model.rotation[:, at_R][:, :, None, :]
        n_kv, per_kv, head = self.layout
        for number, block in enumerate(self._blocks):
            projected = functional.linear(block.norm_1(x_RW), block.query_key_value)
            heads = projected.view(len(bytes_R), -1, head)
            q_k, v_RKD = heads[:, : shape.heads + n_kv], heads[:, shape.heads + n_kv :]
            if shape.qk_norm:
                q_k = functional.rms_norm(q_k, (head,))
            if turn is not None:
                q_k = _rotate(q_k, turn)
            q_RKGD = q_k[:, : shape.heads].reshape(-1, n_kv, per_kv, head)
            y = attend(number, q_RKGD, q_k[:, shape.heads :], v_RKD)
            x_RW = x_RW + functional.linear(y.reshape(len(bytes_R), -1), block.attention_out)
            x_RW = x_RW + self._think(block, block.norm_2(x_RW))
        return x_RW

    def _think(self, block: Any, x_RW: Tensor) -> Tensor:  # noqa: ANN401  as above
        up = functional.linear(x_RW, block.up)
        match self.shape.activation:
            case "gelu":
                up = functional.gelu(up, approximate="tanh")
            case "relu2":
                up = functional.relu(up).square()
            case "swiglu":
                gate, value = up.chunk(2, dim=-1)
                up = functional.silu(gate) * value
        return functional.linear(up, block.mlp_out)

    def _logits(self, x_RW: Tensor) -> Tensor:
        return functional.linear(self.model.norm(x_RW), self.model.head_VW)


def padded(prompts: Sequence[bytes]) -> tuple[Tensor, Tensor]:
    """Returns prompts as (P, T) integers, padded on the right with zeros, and their lengths."""
    length_P = torch.tensor([len(one) for one in prompts])
    longest = int(length_P.max())
    flat = bytearray(b"".join(one.ljust(longest, b"\0") for one in prompts))
    return torch.frombuffer(flat, dtype=torch.uint8).view(-1, longest).long(), length_P


def in_precision(model: Transformer, dtype: Precision) -> Transformer:
    """Returns the model itself where it has that type, else a copy that has."""
    wanted = _DTYPES[dtype]
    if model.embed_VW.dtype == wanted:
        return model
    return copy.deepcopy(model).requires_grad_(requires_grad=False).to(wanted)


def _rotate(x_RHD: Tensor, turn: Tensor) -> Tensor:
    cos_R1D, sin_R1D = turn
    a, b = x_RHD.chunk(2, dim=-1)
    return torch.cat((a * cos_R1D - b * sin_R1D, a * sin_R1D + b * cos_R1D), dim=-1)

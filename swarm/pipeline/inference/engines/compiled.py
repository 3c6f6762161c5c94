"""The whole of decoding in C++, built by the system's compiler: see ``native/decode.cpp``.

Where it cannot be built the engine is unavailable and says why. It always lets finished answers
leave, so ``compact`` has no effect, and has at most 32 answers in hand, so a larger ``batch``
hardly has one. It decodes in float32 whatever type the model's weights have.
"""

import ctypes
import weakref
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swarm.errors import RunFailedError
from swarm.pipeline.inference.engine import Batch
from swarm.pipeline.inference.native.build import Prompts, library
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.spec import Architecture

_ACTIVATIONS = ("gelu", "relu2", "swiglu")


class Compiled:
    """Holds a copy of the weights in the order that its products read them."""

    def __init__(self, spec: DecoderSpec) -> None:
        self._slots = spec.batch
        self._model: int | None = None
        self._let_go: weakref.finalize[Any, Any] | None = None  # Any: of no interest

    def unavailable(self) -> str | None:
        """Returns why it cannot work here, or nothing if it can."""
        found = library()
        return found if isinstance(found, str) else None

    def load(self, model: Transformer) -> None:
        """Copies the weights. Raises ``RunFailedError`` where the engine cannot be built."""
        native = _native()
        shape = _shape(model.shape)
        with torch.no_grad():
            weights = torch.cat([one.float().flatten() for one in _tensors(model)])
        if self._let_go is not None:
            self._let_go()
        self._model = native.swarm_load(shape.ctypes.data, weights.data_ptr())
        self._let_go = weakref.finalize(self, native.swarm_free, self._model)

    def decode(self, batch: Batch) -> NDArray[np.uint8]:
        """Returns the bytes of every answer, (P, S, N)."""
        assert self._model is not None, "load comes before decode"
        n_prompts, n_samples, n_bytes = batch.uniforms.shape
        out_PSN = np.full((n_prompts, n_samples, n_bytes), batch.stop, dtype=np.uint8)
        text = b"".join(batch.prompts)
        starts = np.cumsum([0, *map(len, batch.prompts)], dtype=np.int64)
        uniforms_PSN = np.ascontiguousarray(batch.uniforms, dtype=np.float64)
        prompts = Prompts(
            bytes=ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p),
            starts=starts.ctypes.data,
            n_prompts=n_prompts,
            n_samples=n_samples,
            n_bytes=n_bytes,
            stop=batch.stop,
            slots=self._slots,
            uniforms=uniforms_PSN.ctypes.data,
            temperature=batch.temperature,
            out=out_PSN.ctypes.data,
        )
        _native().swarm_decode(self._model, ctypes.byref(prompts))
        return out_PSN


def _native() -> ctypes.CDLL:
    found = library()
    if isinstance(found, str):
        raise RunFailedError(what=f"engine 'compiled' is not available: {found}")
    return found


def _shape(shape: Architecture) -> NDArray[np.int32]:
    """Returns what ``Shape`` of ``model.h`` holds, in its order."""
    return np.array(
        [
            shape.width,
            shape.depth,
            shape.heads,
            shape.kv_width() * shape.heads // shape.width,
            shape.hidden(),
            shape.context,
            shape.window if shape.attention == "windowed" else shape.context,
            shape.norm == "layernorm",
            shape.positions == "learned",
            shape.qk_norm,
            _ACTIVATIONS.index(shape.activation),
        ],
        dtype=np.int32,
    )


def _tensors(model: Transformer) -> list[Tensor]:
    """Returns all weights in the order in which ``Model`` of ``model.h`` takes them."""
    places = model.rotation if model.positions_TW is None else model.positions_TW
    assert isinstance(places, Tensor)
    found: list[Tensor] = [model.embed_VW, places]
    blocks: list[Any] = list(model.blocks)  # Any: torch types its members as bare modules
    for block in blocks:
        found += [*block.norm_1.parameters(), block.query_key_value, block.attention_out]
        found += [*block.norm_2.parameters(), block.up, block.mlp_out]
    return [*found, *model.norm.parameters(), model.head_VW]

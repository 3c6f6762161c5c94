"""How a model reads examples and groups of answers in training: imported by workers only.

Two layouts. *Rows*: one example a row, padded behind; causal attention keeps the padding harmless.
*Packed*: a prompt once, then all its answers side by side, each seeing the prompt and itself only
and standing where it would stand alone, so that a prompt is read once however many its answers.

Legend of suffixes: B rows, T positions, W width, V vocabulary, N answer bytes of all rows together,
P prompt, G answers of a prompt, A bytes of an answer.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from swarm.pipeline.posttraining.data import Example
from swarm.pipeline.pretraining.model import Transformer

_CHUNK_ROWS = 64
"""Rows read at once: what lies in a processor's cache is faster, and short rows stay together."""


class Layout(NamedTuple):
    """Where each place of a packed row stands, (T,), and which places it sees, (T, T)."""

    positions: Tensor
    mask: Tensor


def answer_nats(model: Transformer, examples: Sequence[Example]) -> Tensor:
    """Returns what each byte of the answers costs the model, in nats, for all examples of a list.

    Shape:
        (N,): the bytes of one answer follow each other; examples stand in no order worth knowing.
    """
    return torch.cat([_rows_nats(model, chunk) for chunk in _alike(examples)])


def _alike(examples: Sequence[Example]) -> Iterator[Sequence[Example]]:
    """Yields chunks of examples of like length, so that little is padded."""
    ordered = sorted(examples, key=lambda one: (len(one.prompt) + len(one.answer), one))
    for start in range(0, len(ordered), _CHUNK_ROWS):
        yield ordered[start : start + _CHUNK_ROWS]


def _rows_nats(model: Transformer, examples: Sequence[Example]) -> Tensor:
    length = max(len(one.prompt) + len(one.answer) for one in examples)
    text = b"".join((one.prompt + one.answer).ljust(length, b"\0") for one in examples)
    # A bytearray: torch wants memory that may be written, though nobody does.
    read_BT = torch.frombuffer(bytearray(text), dtype=torch.uint8).view(-1, length).long()
    begins_B = torch.tensor([len(one.prompt) for one in examples])
    ends_B = torch.tensor([len(one.prompt) + len(one.answer) for one in examples])
    at_T = torch.arange(1, length)
    wanted_BT = (at_T >= begins_B[:, None]) & (at_T < ends_B[:, None])
    x_BTW = hidden(model, read_BT[:, :-1])
    return _nats(model, x_BTW[wanted_BT], read_BT[:, 1:][wanted_BT])


def packed_nats(
    model: Transformer, prompts: Sequence[bytes], groups: Sequence[Sequence[bytes]]
) -> Tensor:
    """Returns what each byte of the answers to some prompts costs the model, in nats.

    Args:
        model: Any shape whose context holds prompt and answer.
        prompts: All of one length.
        groups: As many answers to each, none empty.

    Shape:
        (B, G, A), A the longest answer; places behind the end of an answer are 0.
    """
    n_prompt, n_answers = len(prompts[0]), len(groups[0])
    longest = max(len(answer) for group in groups for answer in group)
    text = b"".join(
        prompt + b"".join(answer.ljust(longest, b"\0") for answer in group)
        for prompt, group in zip(prompts, groups, strict=True)
    )
    length = n_prompt + n_answers * longest
    read_BT = torch.frombuffer(bytearray(text), dtype=torch.uint8).view(-1, length).long()
    x_BTW = hidden(model, read_BT, pack(n_prompt, n_answers, longest, _window(model)))
    targets_BGA = read_BT[:, n_prompt:].view(-1, n_answers, longest)
    # The first byte of every answer is predicted at the end of the prompt, the others one before.
    first_BGW = x_BTW[:, n_prompt - 1 : n_prompt].expand(-1, n_answers, -1)
    inner_BGAW = x_BTW[:, n_prompt:].view(-1, n_answers, longest, x_BTW.shape[2])
    before_BGAW = torch.cat((first_BGW[:, :, None], inner_BGAW[:, :, :-1]), dim=2)
    ends_BG = torch.tensor([[len(answer) for answer in group] for group in groups])
    wanted_BGA = torch.arange(longest) < ends_BG[:, :, None]
    nats_N = _nats(model, before_BGAW[wanted_BGA], targets_BGA[wanted_BGA])
    return torch.zeros(wanted_BGA.shape).masked_scatter(wanted_BGA, nats_N)


def pack(n_prompt: int, n_answers: int, longest: int, window: int | None) -> Layout:
    """Returns the layout of a prompt and answers padded to one length.

    A place sees what it would see if its answer stood alone behind the prompt.
    """
    branch_T = torch.cat(
        (torch.zeros(n_prompt), torch.arange(1, n_answers + 1).repeat_interleave(longest))
    )
    positions_T = torch.cat(
        (torch.arange(n_prompt), n_prompt + torch.arange(longest).repeat(n_answers))
    )
    behind_TT = positions_T[:, None] - positions_T[None, :]
    is_mine_TT = (branch_T[:, None] == branch_T[None, :]) | (branch_T[None, :] == 0)
    mask_TT = is_mine_TT & (behind_TT >= 0)
    if window is not None:
        mask_TT &= behind_TT < window
    return Layout(positions_T, mask_TT)


def _window(model: Transformer) -> int | None:
    return model.shape.window if model.shape.attention == "windowed" else None


def hidden(model: Transformer, bytes_BT: Tensor, layout: Layout | None = None) -> Tensor:
    """Returns what the output projection reads at each position, as ``Transformer`` computes it.

    Apart from ``Transformer.forward`` so that logits are made for answers only: with 256 bytes and
    rows that are mostly prompt, the projection would be a third of the work.

    Shape:
        (B, T) -> (B, T, W).
    """
    positions_T, mask_TT, rotation = torch.arange(bytes_BT.shape[1]), model.mask, model.rotation
    if layout is not None:
        positions_T, mask_TT = layout
        if rotation is not None:
            assert isinstance(rotation, Tensor)
            rotation = rotation[:, positions_T]
    x_BTW = functional.embedding(bytes_BT, model.embed_VW)
    if model.positions_TW is not None:
        x_BTW = x_BTW + model.positions_TW[positions_T]
    for block in model.blocks:
        x_BTW = block(x_BTW, rotation, mask_TT)
    normed: Tensor = model.norm(x_BTW)
    return normed


def _nats(model: Transformer, x_NW: Tensor, targets_N: Tensor) -> Tensor:
    logits_NV = functional.linear(x_NW, model.head_VW)
    return functional.cross_entropy(logits_NV, targets_N, reduction="none")


def bits(nats: Tensor) -> float:
    """Returns the mean of some nats in bits."""
    return float(nats.detach().mean()) / math.log(2)

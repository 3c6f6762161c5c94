"""Measures a checkpoint in bits per byte: imported by workers only."""

import torch
from torch import Tensor

from swarm.comms.messages import work
from swarm.errors import WireError
from swarm.pipeline.evaluation.spec import BLOCK_BYTES, Evaluate, Evaluated
from swarm.pipeline.pretraining.corpus import SplitText
from swarm.pipeline.pretraining.model import Transformer, use_one_deterministic_thread
from swarm.pipeline.pretraining.run import decode_checkpoint, seeded, shares
from swarm.pipeline.pretraining.spec import Mixture
from swarm.pipeline.workbench import MissingError, Workbench


def evaluate(spec: Evaluate, bench: Workbench) -> Evaluated | work.JobFailed:
    """Scores the blocks that the seed selects.

    Raises:
        RunFailedError: If the checkpoint or the corpus is damaged.
    """
    try:
        text = bench.benchmark_text(spec.corpus, spec.split)
        checkpoint = bench.get_artifact(spec.artifact)
    except MissingError as missing:
        return work.JobFailed(kind="missing", reason=str(missing))
    if spec.n_blocks < len(text.info.domains):
        reason = f"{spec.n_blocks} blocks are too few for {len(text.info.domains)} domains"
        return work.JobFailed(kind="invalid", reason=reason)
    use_one_deterministic_thread()
    try:
        model = decode_checkpoint(checkpoint)
    except WireError as wrong:
        return work.JobFailed(kind="invalid", reason=f"artifact {spec.artifact}: {wrong}")
    blocks = dict(select_blocks(text, spec.seed, spec.n_blocks))
    scores = score(model, torch.cat(list(blocks.values())))
    by_domain = torch.split(scores, [len(one) for one in blocks.values()])
    domain_bpb = {name: float(one.mean()) for name, one in zip(blocks, by_domain, strict=True)}
    return Evaluated(
        bpb=round(sum(weight * domain_bpb[name] for name, weight in text.info.weights), 6),
        domain_bpb=tuple((name, round(value, 6)) for name, value in domain_bpb.items()),
        block_bpb=tuple(round(value, 6) for value in scores.tolist()),
        n_bytes=len(scores) * BLOCK_BYTES,
    )


def select_blocks(text: SplitText, seed: int, n_blocks: int) -> list[tuple[str, Tensor]]:
    """Returns for each domain the blocks to score, (number, 1 + block length) bytes each.

    Each domain gets one block and its share of the others by benchmark weight, drawn without
    replacement, in the order of the text. The first byte of a row is the byte before the block:
    it is read but not scored. Blocks do not overlap.
    """
    names = text.info.domain_names
    rest = dict(shares(Mixture(weights=text.info.weights), n_blocks - len(names)))
    selected: list[tuple[str, Tensor]] = []
    for name in names:
        content = torch.frombuffer(bytearray(text.read(name)), dtype=torch.uint8)
        n_there = (len(content) - 1) // BLOCK_BYTES
        drawn = torch.randperm(n_there, generator=seeded(seed, f"blocks/{name}"))
        chosen = drawn[: 1 + rest.get(name, 0)].sort().values
        places = chosen[:, None] * BLOCK_BYTES + torch.arange(BLOCK_BYTES + 1)
        selected.append((name, content[places].long()))
    return selected


@torch.no_grad()
def score(model: Transformer, rows: Tensor) -> Tensor:
    """Returns the bits per byte of each block, every byte of it predicted once.

    A block is read in windows of the model's context, the last one shorter; a window sees nothing
    before itself but the one byte before its first.

    Shape:
        (number, 1 + block length) -> (number,), float64.
    """
    length, context = rows.shape[1] - 1, model.shape.context
    total = torch.zeros(len(rows), dtype=torch.float64)
    for start in range(0, length, context):
        end = min(start + context, length)
        bits = model.bits(rows[:, start:end], rows[:, start + 1 : end + 1])
        total += bits.double().sum(dim=1)
    return total / length

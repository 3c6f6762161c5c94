"""Trains a model: imported by workers only.

Everything random is drawn from generators made of the seed. On one machine the same specification
gives the same weights to the bit, in any process.
"""

import io
import math
from hashlib import blake2b

import msgspec
import safetensors.torch
import torch
from torch import Tensor

from swarm.comms.messages import work
from swarm.errors import WireError
from swarm.pipeline.pretraining.corpus import SplitText
from swarm.pipeline.pretraining.model import Transformer, use_one_deterministic_thread
from swarm.pipeline.pretraining.optimizer import Updater
from swarm.pipeline.pretraining.spec import Architecture, Mixture, Train, Trained
from swarm.pipeline.workbench import MissingError, Unfinished, Workbench

SEGMENT_STEPS = 20
"""Steps between looks at the loss; also what ``train_bpb`` is averaged over."""

SAVE_FLOPS = 1_000_000_000_000
"""Nominal operations between two savings of a long job: about half a minute of one core."""

DIVERGED_BPB = 16.0
"""Twice what knowing nothing costs: a model that does worse has come apart."""


def train(spec: Train, bench: Workbench) -> Trained | work.JobFailed:
    """Trains one model and stores it; a job that cannot work out is an answer, not an error.

    Raises:
        RunFailedError: If the disk refuses or the corpus is damaged.
    """
    if problem := spec.problem():
        return work.JobFailed(kind="invalid", reason=problem)
    n_params = spec.architecture.n_params()
    if spec.max_params is not None and n_params > spec.max_params:
        reason = f"the model has {n_params} parameters, at most {spec.max_params} are allowed"
        return work.JobFailed(kind="limit", reason=reason)
    try:
        text = bench.training_text(spec.corpus)
    except MissingError as missing:
        return work.JobFailed(kind="missing", reason=str(missing))
    unknown = sorted({name for name, _ in spec.mixture.weights} - set(text.info.domain_names))
    if unknown:
        return work.JobFailed(kind="invalid", reason=f"no such domain: {', '.join(unknown)}")
    use_one_deterministic_thread()
    model = Transformer(spec.architecture, seeded(spec.seed, "weights"))
    saved = bench.unfinished(msgspec.json.encode(spec))
    outcome = optimise(model, spec, Reader(text, spec), saved)
    saved.clear()
    if isinstance(outcome, work.JobFailed):
        return outcome
    return Trained(
        artifact=bench.put_artifact(encode_checkpoint(model)),
        train_bpb=round(outcome, 6),
        tokens=spec.tokens,
        steps=spec.n_steps,
        n_params=n_params,
    )


def optimise(
    model: Transformer, spec: Train, reader: "Reader", saved: Unfinished
) -> float | work.JobFailed:
    """Makes all steps; returns the mean bits per byte of the last full segment of steps.

    A long job saves how far it is; the weights are the same to the bit, however often it is begun.
    """
    updater = Updater(model, spec.optimizer)
    every = max(1, SAVE_FLOPS * spec.n_steps // spec.flops)
    recent, first = _restore(saved, model, updater)
    for step in range(first, spec.n_steps):
        loss = model.bits(*reader.batch(step)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        updater.step(step, spec.n_steps)
        recent = [*recent[-SEGMENT_STEPS + 1 :], loss.detach()]
        if (step + 1) % SEGMENT_STEPS == 0 or step + 1 == spec.n_steps:
            bpb = float(torch.stack(recent).mean())
            if not math.isfinite(bpb) or bpb > DIVERGED_BPB:
                reason = f"loss {bpb:.4g} bits per byte, knowing nothing costs 8"
                return work.JobFailed(kind="diverged", reason=reason, step=step + 1)
        if (step + 1) % every == 0 and step + 1 < spec.n_steps:
            _save(saved, model, updater, recent, step + 1)
    return float(torch.stack(recent).mean())


def _save(
    saved: Unfinished, model: Transformer, updater: Updater, recent: list[Tensor], n_done: int
) -> None:
    buffer = io.BytesIO()
    state = {"model": model.state_dict(), "updater": updater.state()}
    torch.save({**state, "recent": recent, "n_done": n_done}, buffer)
    saved.save(buffer.getvalue())


def _restore(saved: Unfinished, model: Transformer, updater: Updater) -> tuple[list[Tensor], int]:
    """Returns the recent losses, and how many steps are done."""
    data = saved.load()
    if data is None:
        return [], 0
    state = torch.load(io.BytesIO(data), weights_only=True)
    model.load_state_dict(state["model"])
    updater.restore(state["updater"])
    return state["recent"], state["n_done"]


class Reader:
    """Draws what training reads: which domains in which order, and where in each.

    The counts of the domains over the whole job follow the mixture exactly (largest remainders);
    only their order and the places are random.
    """

    def __init__(self, text: SplitText, spec: Train) -> None:
        self._n_sequences, context = spec.n_sequences, spec.architecture.context
        n_all = spec.n_steps * self._n_sequences
        generator = seeded(spec.seed, "text")
        texts, starts, base = [], [], 0
        for domain, count in shares(spec.mixture, n_all):
            content = text.read(domain)
            places = torch.rand(count, generator=generator, dtype=torch.float64)
            starts.append(base + (places * (len(content) - context)).long())
            texts.append(content)
            base += len(content)
        # A bytearray: torch wants memory that may be written, though nobody does.
        self._bytes = torch.frombuffer(bytearray(b"".join(texts)), dtype=torch.uint8)
        self._starts = torch.cat(starts)[torch.randperm(n_all, generator=generator)]
        self._window = torch.arange(context + 1)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets of a step, (B, T) each; targets are one byte later."""
        at = step * self._n_sequences
        starts_B = self._starts[at : at + self._n_sequences]
        read_BT = self._bytes[starts_B[:, None] + self._window].long()
        return read_BT[:, :-1], read_BT[:, 1:]


def shares(mixture: Mixture, total: int) -> list[tuple[str, int]]:
    """Divides a total by the weights: whole parts, then the largest remainders, first named first.

    Domains of weight 0 are left out; the others keep their order.
    """
    weights = [(name, weight) for name, weight in mixture.weights if weight > 0]
    whole = sum(weight for _, weight in weights)
    exact = [total * weight / whole for _, weight in weights]
    counts = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return [(name, count) for (name, _), count in zip(weights, counts, strict=True)]


def seeded(seed: int, name: str) -> torch.Generator:
    """Returns a generator of its own for a purpose; equal arguments, equal draws."""
    digest = blake2b(f"{seed}\0{name}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def encode_checkpoint(model: Transformer) -> bytes:
    """Returns the model as a safetensors file, its architecture in the metadata."""
    shape = msgspec.json.encode(model.shape).decode()
    return safetensors.torch.save(model.state_dict(), metadata={"architecture": shape})


def decode_checkpoint(data: bytes) -> Transformer:
    """Returns the model that ``encode_checkpoint`` wrote.

    Raises:
        WireError: If these bytes are not a checkpoint; damage within one is the workbench's to see.
    """
    try:
        header = msgspec.json.decode(data[8 : 8 + int.from_bytes(data[:8], "little")], type=_Header)
        shape = msgspec.json.decode(header.metadata["architecture"], type=Architecture)
    except (msgspec.MsgspecError, KeyError, OverflowError) as wrong:
        raise WireError(
            where="checkpoint", expected="safetensors with an architecture", came=str(wrong)
        ) from wrong
    model = Transformer(shape, torch.Generator())
    model.load_state_dict(safetensors.torch.load(data))
    return model


class _Header(msgspec.Struct):
    """What we need of the header of a safetensors file: its length in 8 bytes, then JSON."""

    metadata: dict[str, str] = msgspec.field(name="__metadata__")

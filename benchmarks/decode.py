"""Decoders: how much faster caches and compiled code are, and whether they change a byte.

Two decoders are timed in turns, in CPU-seconds of one process, and the median of their ratio is
held against the promise. Prompts are printable bytes of unequal length. ``--write-table`` also
measures every engine at several sizes and batches, and writes the table that
``kernel_timing=modelled`` goes by.
"""

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from msgspec.structs import replace

from swarm.analysis.promises import Figure, Report, median
from swarm.kernel.rng import Stream
from swarm.pipeline.inference import speeds
from swarm.pipeline.inference.choosing import uniforms
from swarm.pipeline.inference.engine import open_engine
from swarm.pipeline.inference.judge import Verdict, judge
from swarm.pipeline.inference.referee import compare
from swarm.pipeline.inference.sampler import STOP, sample_with
from swarm.pipeline.inference.spec import ENGINES, DecoderSpec
from swarm.pipeline.pretraining.model import Transformer, use_one_deterministic_thread
from swarm.pipeline.pretraining.spec import Architecture

SHAPE = Architecture(
    norm="layernorm",
    positions="rope",
    activation="relu2",
    qk_norm=True,
    zero_init=False,
    width=64,
    depth=3,
    heads=4,
    context=64,
)
"""About .15 million parameters in its blocks, .18 with embeddings."""

SIZES = ((32, 2), (64, 3), (96, 4), (128, 7))
"""(width, depth) of the table: about .04, .18, .5 and 1.4 million parameters."""

BATCHES = (1, 8, 64, 512)

MEAN_BYTES = 12
"""Of an answer in the table's work, stop byte included: short answers, of unequal length."""


class Work(NamedTuple):
    """What is decoded: the same for every decoder."""

    model: Transformer
    prompts: list[bytes]
    per_prompt: int
    max_new: int
    temperature: float = 1.0


class Timed:
    """A decoder with its engine open, so that opening it is not timed; reading weights is."""

    def __init__(self, decoder: DecoderSpec, work: Work) -> None:
        self.decoder, self._work = decoder, work
        self._engine = open_engine(decoder)

    def __call__(self) -> int:
        """Decodes everything; returns the number of bytes, those that end answers included."""
        return sum(len(answer) + 1 for answer in self.answers())

    def answers(self) -> list[bytes]:
        """Reads the weights and decodes everything."""
        work = self._work
        self._engine.load(work.model)
        found = sample_with(
            self._engine,
            work.prompts,
            context=work.model.shape.context,
            rows=self.decoder.batch,
            per_prompt=work.per_prompt,
            max_new=work.max_new,
            temperature=work.temperature,
            seed=1,
        )
        return [answer for group in found for answer in group]


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    use_one_deterministic_thread()
    if arguments.write_table:
        table = measure_table(arguments.rounds)
        speeds.TABLE.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")
        print(f"wrote {len(table.speeds)} speeds to {speeds.TABLE}", file=sys.stderr)
    report = measure(n_prompts=arguments.prompts, rounds=arguments.rounds)
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(*, n_prompts: int, rounds: int) -> Report:
    """Times what was promised and judges every byte of it."""
    whole = Work(model(SHAPE), prompts(n_prompts, 32), per_prompt=8, max_new=32)
    short = whole._replace(model=model(SHAPE, mean_bytes=MEAN_BYTES))
    alone = whole._replace(prompts=whole.prompts[:8], per_prompt=1)
    reference = DecoderSpec(engine="reference", batch=64)
    grouped, cached = DecoderSpec(engine="grouped"), DecoderSpec(engine="cached", batch=1)
    compiled, said = DecoderSpec(engine="compiled"), f"{n_prompts} prompts x 8"
    figures = [
        *_against(reference, grouped, whole, f"{said}, 32 bytes each", rounds=rounds, promise=8),
        *_exact(grouped, whole, f"grouped, {said}"),
        *_against(
            reference, grouped, short, f"{said}, {MEAN_BYTES} bytes on average", rounds=rounds
        ),
    ]
    facts = {"parameters": f"{SHAPE.n_params():,}", "context": str(SHAPE.context)}
    if why := open_engine(compiled).unavailable():
        facts["compiled"] = f"not measured: {why}"
        return Report(benchmark="decode", figures=tuple(figures), facts=facts)
    figures += [
        *_against(
            cached,
            replace(compiled, batch=1),
            alone,
            "one answer at a time",
            rounds=rounds,
            promise=2,
        ),
        *_exact(replace(compiled, batch=1), alone, "compiled, one answer at a time"),
        *_against(grouped, compiled, whole, f"{said}, 32 bytes each", rounds=rounds),
        *_exact(compiled, whole, f"compiled, {said}"),
    ]
    return Report(benchmark="decode", figures=tuple(figures), facts=facts)


def _against(
    base: DecoderSpec,
    candidate: DecoderSpec,
    work: Work,
    said: str,
    *,
    rounds: int,
    promise: float | None = None,
) -> list[Figure]:
    slow, fast, ratio = compare(Timed(base, work), Timed(candidate, work), rounds=rounds)
    pair = f"{candidate.engine} over {base.engine}, {said}"
    return [
        Figure(what=f"{pair}, median of {rounds}", value=ratio.middle, unit="x", promise=promise),
        Figure(what="the interval of it, least", value=ratio.low, unit="x"),
        Figure(what="and most", value=ratio.high, unit="x"),
        Figure(what=base.engine, value=slow, unit="bytes/CPU-s"),
        Figure(what=candidate.engine, value=fast, unit="bytes/CPU-s"),
    ]


def _exact(decoder: DecoderSpec, work: Work, said: str) -> list[Figure]:
    """Judges sampled and greedy answers, the latter of a model whose logits are far apart."""
    greedy = work._replace(temperature=0.0, model=model(SHAPE, gain=16.0))
    both = (judged(decoder, work), judged(decoder, greedy))
    found = Verdict(*(a + b for a, b in zip(*both, strict=True)))
    return [
        Figure(
            what=f"{said}: wrong of {found.n_bytes:,} bytes, {found.n_near_ties} of them near-ties",
            value=found.n_wrong,
            unit="bytes",
            promise=0,
            is_better="below",
        )
    ]


def judged(decoder: DecoderSpec, work: Work) -> Verdict:
    """Returns what the judge says of everything that the decoder answers."""
    many = [prompt for prompt in work.prompts for _ in range(work.per_prompt)]
    n_prompts, n_samples = len(work.prompts), work.per_prompt
    numbers_PSN = uniforms(1, np.arange(n_prompts), np.arange(n_samples), work.max_new)
    return judge(
        work.model,
        many,
        Timed(decoder, work).answers(),
        numbers_PSN.reshape(len(many), -1),
        temperature=work.temperature,
        stop=STOP,
    )


def measure_table(rounds: int) -> speeds.Table:
    """Times every engine at every size and batch, and other settings at one of them."""
    cells: list[tuple[Timed, int]] = []
    for width, depth in SIZES:
        shape = replace(SHAPE, width=width, depth=depth)
        sized = model(shape, mean_bytes=MEAN_BYTES)
        for batch in BATCHES:
            work = Work(sized, prompts(max(4, batch // 8), 32), min(batch, 8), max_new=32)
            for engine in ENGINES:
                timed = Timed(DecoderSpec(engine=engine, batch=batch), work)
                cells.append((timed, shape.n_params()))
    rates = _rates([timed for timed, _ in cells], rounds)
    found = tuple(
        speeds.Speed(
            engine=timed.decoder.engine, n_params=size, batch=timed.decoder.batch, rate=rate
        )
        for (timed, size), rate in zip(cells, rates, strict=True)
    )
    return speeds.Table(
        facts={
            "machine": platform.machine(),
            "torch": str(torch.__version__),
            "work": f"prompts of 1 to 32 bytes, 8 answers each, of {MEAN_BYTES} bytes on average",
            "rounds": str(rounds),
        },
        speeds=found,
        factors=_factors(rounds),
    )


def _factors(rounds: int) -> tuple[speeds.Factor, ...]:
    work = Work(model(SHAPE, mean_bytes=MEAN_BYTES), prompts(8, 32), 8, max_new=32)
    variants = [
        DecoderSpec(engine=engine, batch=64, dtype=dtype, compact=compact)
        for engine in ENGINES
        if engine != "compiled"
        for dtype in ("float32", "float64", "bfloat16")
        for compact in (True, False)
    ]
    rates = _rates([Timed(one, work) for one in variants], rounds)
    every = list(zip(variants, rates, strict=True))
    plain = {a.engine: b.middle for a, b in every if a.dtype == "float32" and a.compact}
    return tuple(
        speeds.Factor(
            engine=one.engine,
            dtype=one.dtype,
            compact=one.compact,
            factor=round(rate.middle / plain[one.engine], 4),
        )
        for one, rate in every
    )


def _rates(works: Sequence[Timed], rounds: int) -> list[speeds.Interval]:
    """Times all works in turns, after one round that does not count."""
    seen: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for rates, work in zip(seen, works, strict=True):
            began = time.process_time()
            n_bytes = work()
            if number:
                rates.append(n_bytes / (time.process_time() - began))
    rounded = [sorted(round(rate, 1) for rate in rates) for rates in seen]
    return [
        speeds.Interval(middle=median(rates), low=rates[0], high=rates[-1]) for rates in rounded
    ]


def model(shape: Architecture, *, gain: float = 1.0, mean_bytes: int | None = None) -> Transformer:
    """Returns a model of random weights.

    Args:
        shape: With layer norms.
        gain: Factor on its logits: greedy choices need them apart.
        mean_bytes: How long its sampled answers shall be on average, about; by default they
            hardly ever end.
    """
    made = Transformer(shape, torch.Generator().manual_seed(3))
    with torch.no_grad():
        made.head_VW.mul_(gain)
        if mean_bytes is not None:
            stop_W = made.head_VW[STOP]
            shift = made.norm.bias
            assert isinstance(shift, torch.Tensor)
            shift += math.log(255 / (mean_bytes - 1)) / stop_W.square().sum() * stop_W
    return made


def prompts(number: int, longest: int) -> list[bytes]:
    """Returns printable prompts of 1 byte to the longest."""
    stream = Stream(seed=2, owner="benchmark", name="prompts")
    return [
        bytes(32 + stream.integer(95) for _ in range(1 + stream.integer(longest)))
        for _ in range(number)
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Speed and exactness of decoders.")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write-table", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

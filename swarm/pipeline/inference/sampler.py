"""Samples answers from a model: what reinforcement learning and the checks of engines call.

Workers only: needs torch.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from swarm.errors import RunFailedError, UsageError
from swarm.pipeline.inference.choosing import uniforms
from swarm.pipeline.inference.engine import Batch, Engine, decoder, open_engine
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.pretraining.model import Transformer

STOP = 10
"""The byte that ends an answer: the line break."""


def sample(
    model: Transformer,
    prompts: Sequence[bytes],
    *,
    per_prompt: int,
    max_new: int,
    temperature: float,
    seed: int,
    engine: str | DecoderSpec = "grouped",
    stop: int = STOP,
    first: int = 0,
) -> list[list[bytes]]:
    """Returns for each prompt its sampled answers, without the stop byte.

    The uniform number behind a byte is a pure function of (seed, index of the prompt, index of the
    sample, position in the answer). So an answer does not depend on the other prompts, on batches,
    on ``per_prompt`` or on ``max_new`` (but for its length), except where rounding decides: sums of
    another batch shape may differ in their last bits. One call repeated gives the same answers.
    Nothing else is random, and torch's own generators are not touched.

    Args:
        model: Read as it is now, and left as it is.
        prompts: Each at least one byte; lengths may differ.
        per_prompt: Answers of each prompt, at least 1.
        max_new: Bytes of an answer at most, stop byte included; prompt and this fit the context.
        temperature: 0 takes the likeliest byte at each position: all answers of a prompt are equal.
        seed: Draws the answers.
        engine: The name of an engine, or a whole decoder.
        stop: The byte that ends an answer.
        first: Index of the first prompt, so that a long list can be sampled in pieces.

    Raises:
        UsageError: If arguments or settings make no sense, or a prompt is too long for the model.
        RunFailedError: If the engine is not available on this machine.
    """
    spec = engine if isinstance(engine, DecoderSpec) else decoder(engine)
    worker = open_engine(spec)
    if why := worker.unavailable():
        raise RunFailedError(what=f"engine {spec.engine!r} is not available: {why}")
    worker.load(model)
    return sample_with(
        worker,
        prompts,
        context=model.shape.context,
        rows=spec.batch,
        per_prompt=per_prompt,
        max_new=max_new,
        temperature=temperature,
        seed=seed,
        stop=stop,
        first=first,
    )


def sample_with(
    worker: Engine,
    prompts: Sequence[bytes],
    *,
    context: int,
    rows: int,
    per_prompt: int,
    max_new: int,
    temperature: float,
    seed: int,
    stop: int = STOP,
    first: int = 0,
) -> list[list[bytes]]:
    """Does what ``sample`` does, with an engine that holds the weights already.

    ``context`` is that of the model, ``rows`` how many answers are decoded at once.
    """
    _expect_usable(prompts, context, per_prompt, max_new, temperature)
    out = np.full((len(prompts), per_prompt, max_new), stop, dtype=np.uint8)
    for places, samples in _pieces(prompts, per_prompt, rows):
        batch = Batch(
            prompts=tuple(prompts[place] for place in places),
            uniforms=uniforms(seed, first + places, samples, max_new),
            temperature=temperature,
            stop=stop,
        )
        out[np.ix_(places, samples)] = worker.decode(batch)
    ended = bytes([stop])
    return [[answer.tobytes().split(ended, 1)[0] for answer in of_prompt] for of_prompt in out]


def _pieces(
    prompts: Sequence[bytes], per_prompt: int, rows: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yields batches, as places of prompts and indices of samples; prompts of like length meet."""
    order = np.array(
        sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i)), dtype=np.int64
    )
    samples = np.arange(per_prompt)
    n_prompts = max(1, rows // per_prompt)
    for start in range(0, len(order), n_prompts):
        for begin in range(0, per_prompt, rows):
            yield order[start : start + n_prompts], samples[begin : begin + rows]


def _expect_usable(
    prompts: Sequence[bytes], context: int, per_prompt: int, max_new: int, temperature: float
) -> None:
    if per_prompt < 1 or max_new < 1 or not 0 <= temperature < float("inf"):
        raise UsageError(
            what="sampling needs at least 1 answer per prompt, at least 1 byte per answer and a"
            f" temperature of at least 0, came {per_prompt}, {max_new} and {temperature}"
        )
    for i, prompt in enumerate(prompts):
        if not prompt or len(prompt) + max_new > context:
            raise UsageError(
                what=f"prompt {i} has {len(prompt)} bytes, expected 1 to {context - max_new}: with"
                f" {max_new} new bytes it must fit the model's context of {context};"
                " shorten the prompt or the answer"
            )

"""What a kernel engineer would try around a decoder's settings, one change at a time."""

from collections.abc import Iterator

from msgspec.structs import replace

from swarm.pipeline.inference.spec import ENGINES, DecoderSpec

_PRIORS = {"reference": 0.5, "cached": 3.0, "grouped": 3.0, "compiled": 2.0}


def around(spec: DecoderSpec) -> Iterator[tuple[str, DecoderSpec, float]]:
    """Yields other engines, batches and habits; all are held to the reference's bytes."""
    for engine in ENGINES:
        yield f"engine {engine}", replace(spec, engine=engine), _PRIORS[engine]
    for batch, prior in ((64, 1.0), (256, 1.0), (512, 2.0), (1_024, 1.0)):
        yield f"batch {batch}", replace(spec, batch=batch), prior
    verb = "keep" if spec.compact else "drop"
    yield f"{verb} finished answers", replace(spec, compact=not spec.compact), 1.0
    yield "bfloat16", replace(spec, dtype="bfloat16"), 0.5

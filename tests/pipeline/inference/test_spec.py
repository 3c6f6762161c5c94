import pytest
from msgspec.structs import replace

from swarm.pipeline.inference.spec import (
    GENERATION_0_DECODER,
    DecoderSpec,
    Referee,
    refusal,
)
from swarm.pipeline.wire import codec

JOB = Referee(
    artifact="0" * 64, base=GENERATION_0_DECODER, candidate=DecoderSpec(engine="grouped"), seed=1
)


@pytest.mark.parametrize(
    ("decoder", "problem"),
    [
        (DecoderSpec(engine="cached", batch=0), r"batch must be in \[1, 4096\], came 0"),
        (DecoderSpec(engine="compiled", dtype="bfloat16"), r"float32 only, came bfloat16"),
    ],
)
def test_a_decoder_that_makes_no_sense_says_why_and_so_does_its_job(
    decoder: DecoderSpec, problem: str
) -> None:
    job = replace(JOB, candidate=decoder)

    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(decoder.problem())
    assert job.problem() == f"candidate: {decoder.problem()}"
    assert job.cost() == 0


def test_a_job_without_prompts_makes_no_sense() -> None:
    assert "at least 1 prompt" in (replace(JOB, n_prompts=0).problem() or "")


def test_compiled_decoders_that_work_alike_are_one() -> None:
    wide, narrow = (DecoderSpec(engine="compiled", batch=batch) for batch in (512, 64))
    alone = DecoderSpec(engine="compiled", batch=1)

    assert wide.normal() == narrow.normal() == replace(wide, compact=False).normal()
    assert alone.normal() == alone
    assert GENERATION_0_DECODER.normal() == GENERATION_0_DECODER


def test_a_job_is_dearer_without_a_cache_and_with_a_clock() -> None:
    cached = replace(JOB, base=DecoderSpec(engine="cached"))

    assert 0 < cached.cost() < JOB.cost() < replace(JOB, kernel_timing="measured").cost()


def test_a_job_survives_the_wire() -> None:
    assert codec().decode(codec().encode(JOB)) == JOB


@pytest.mark.parametrize(
    ("n_near_ties", "n_wrong", "ratio_low", "expected"),
    [
        (50, 0, 1.01, ""),
        (50, 1, 9.0, "1 of 1000 bytes are wrong"),
        (51, 0, 9.0, "51 of 1000 bytes are near-ties, so this checkpoint shows nothing"),
        (0, 0, 1.0, "not surely faster: the ratio may be as low as 1"),
    ],
)
def test_only_exact_and_surely_faster_decoders_are_let_aboard(
    n_near_ties: int, n_wrong: int, ratio_low: float, expected: str
) -> None:
    found = refusal(n_bytes=1_000, n_near_ties=n_near_ties, n_wrong=n_wrong, ratio_low=ratio_low)

    assert found == expected

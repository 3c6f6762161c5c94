import pytest
from msgspec.structs import replace

from benchmarks import decode
from swarm.pipeline.inference.spec import DecoderSpec

SHAPE = replace(decode.SHAPE, width=16, depth=1, heads=2)

pytestmark = pytest.mark.torch


def test_answers_end_after_as_many_bytes_as_asked_for() -> None:
    short, whole = (
        decode.Work(decode.model(SHAPE, mean_bytes=mean), decode.prompts(30, 16), 8, 48)
        for mean in (12, None)
    )

    n_short, n_whole = (
        decode.Timed(DecoderSpec(engine="grouped"), work)() / 240 for work in (short, whole)
    )

    assert 8 < n_short < 16
    assert n_whole > 40


def test_the_benchmark_judges_every_byte_of_both_kinds_of_answer() -> None:
    work = decode.Work(decode.model(SHAPE, gain=16.0), decode.prompts(4, 16), 2, 16)

    right = decode.judged(DecoderSpec(engine="grouped"), work)
    coarse = decode.judged(DecoderSpec(engine="grouped", dtype="bfloat16"), work)

    assert right.n_wrong == 0
    assert coarse.n_wrong > 0
    assert right.n_bytes >= 8 * 12


def test_a_ratio_against_itself_is_about_one() -> None:
    work = decode.Work(decode.model(SHAPE), decode.prompts(4, 16), 2, 16)
    itself = DecoderSpec(engine="cached")

    found = decode._against(itself, itself, work, "itself", rounds=9, promise=0.5)

    assert found[0].what == "cached over cached, itself, median of 9"
    assert found[0].holds
    assert found[0].value < 2

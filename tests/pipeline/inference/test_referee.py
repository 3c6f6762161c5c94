from collections.abc import Callable

import pytest
from msgspec.structs import replace

from swarm.comms.messages import work
from swarm.pipeline.inference import speeds
from swarm.pipeline.inference.referee import compare, draw_prompts, interval
from swarm.pipeline.inference.run import referee
from swarm.pipeline.inference.spec import DecoderSpec, Referee, Refereed
from swarm.pipeline.pretraining.run import encode_checkpoint
from swarm.pipeline.workbench import Workbench
from tests.pipeline.inference.models import SMALL, sharp_model

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def job(bench: Workbench) -> Referee:
    return Referee(
        artifact=bench.put_artifact(encode_checkpoint(sharp_model(stop=10))),
        base=DecoderSpec(engine="cached", batch=16),
        candidate=DecoderSpec(engine="grouped"),
        seed=3,
        n_prompts=5,
        per_prompt=3,
        rounds=5,
    )


def outcome(spec: Referee, bench: Workbench) -> Refereed:
    found = referee(spec, bench)
    assert isinstance(found, Refereed), found
    return found


def test_an_exact_and_faster_decoder_is_let_aboard_twice_the_same(
    job: Referee, bench: Workbench
) -> None:
    found = outcome(job, bench)

    assert found.refusal == ""
    assert found.n_wrong == 0
    assert found.n_bytes > 40
    assert 1 < found.ratio_low <= found.ratio <= found.ratio_high
    assert found == outcome(job, bench)


def test_modelled_speeds_are_those_of_the_table(job: Referee, bench: Workbench) -> None:
    found = outcome(job, bench)

    base, candidate = (speeds.rate(one, SMALL.n_params()) for one in (job.base, job.candidate))
    assert found.base_rate == pytest.approx(base.middle, abs=0.1)
    assert found.candidate_rate == pytest.approx(candidate.middle, abs=0.1)
    assert found.ratio == pytest.approx(candidate.middle / base.middle, abs=1e-4)


def test_a_decoder_that_rounds_coarsely_is_refused(job: Referee, bench: Workbench) -> None:
    found = outcome(replace(job, candidate=DecoderSpec(engine="grouped", dtype="bfloat16")), bench)

    assert found.n_wrong > 0
    assert found.n_mismatched > 0
    assert found.refusal.endswith("bytes are wrong")


def test_a_decoder_that_is_slower_is_refused(job: Referee, bench: Workbench) -> None:
    found = outcome(replace(job, base=job.candidate, candidate=job.base), bench)

    assert found.ratio < 1
    assert found.refusal.startswith("not surely faster")


def test_measured_speeds_come_from_the_clock(job: Referee, bench: Workbench) -> None:
    slow = replace(job, base=DecoderSpec(engine="reference"), kernel_timing="measured")

    found = outcome(slow, bench)

    assert found.kernel_timing == "measured"
    assert 0 < found.ratio_low <= found.ratio <= found.ratio_high
    assert found.ratio == pytest.approx(found.candidate_rate / found.base_rate, rel=0.5)


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({"n_prompts": 0}, "invalid", "at least 1 prompt"),
        ({"artifact": "0" * 64}, "missing", "the workbench has no artifact"),
    ],
)
def test_a_job_that_cannot_be_done_is_an_answer(
    job: Referee, bench: Workbench, change: dict[str, object], kind: str, reason: str
) -> None:
    found = referee(replace(job, **change), bench)

    assert isinstance(found, work.JobFailed)
    assert found.kind == kind
    assert reason in found.reason


def test_a_file_that_is_no_checkpoint_is_an_answer(job: Referee, bench: Workbench) -> None:
    found = referee(replace(job, artifact=bench.put_artifact(b"not a checkpoint")), bench)

    assert isinstance(found, work.JobFailed)
    assert found.kind == "invalid"


def test_prompts_are_fresh_for_a_seed_and_of_every_length(job: Referee) -> None:
    spec = replace(job, n_prompts=40)

    found = draw_prompts(spec, SMALL.context)

    assert [len(found[0]), len(found[1])] == [1, SMALL.context - 24]
    assert len({len(one) for one in found}) > 10
    assert found == draw_prompts(spec, SMALL.context)
    assert found != draw_prompts(replace(spec, seed=4), SMALL.context)


def test_base_and_candidate_are_timed_in_turns_and_take_turns_in_going_first() -> None:
    order: list[str] = []

    def work(name: str) -> Callable[[], int]:
        def note() -> int:
            order.append(name)
            return 1

        return note

    compare(work("a"), work("b"), rounds=3)

    assert "".join(order) == "baabbaab"


def test_the_rates_stay_with_whom_they_belong_to() -> None:
    def work(amount: int) -> Callable[[], int]:
        return lambda: amount * sum(range(2_000)) // sum(range(2_000))

    base, candidate, ratio = compare(work(1), work(1_000), rounds=5)

    assert candidate > 10 * base
    assert ratio.low > 10


@pytest.mark.parametrize(
    ("n", "low", "high"), [(1, 0, 0), (3, 0, 2), (5, 0, 4), (9, 1, 7), (20, 5, 14)]
)
def test_the_interval_is_that_of_the_sign_test(n: int, low: int, high: int) -> None:
    found = interval([float(value) for value in reversed(range(n))])

    assert (found.low, found.middle, found.high) == (low, (n - 1) / 2, high)

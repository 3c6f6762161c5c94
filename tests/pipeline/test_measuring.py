import pytest

from swarm.comms.messages import mind
from swarm.errors import WireError
from swarm.pipeline import tasks
from swarm.pipeline.evaluation.spec import Evaluate, Evaluated
from swarm.pipeline.inference.spec import GENERATION_0_DECODER, Referee, Refereed
from swarm.pipeline.measuring import Bench, measurements, score
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.spec import Solve, Solved
from swarm.units import Tokens
from tests.ships import LATER_PARTS, checkpoint

EXAM = (EnvSpec(family="copy", difficulty=1),)
BENCH = Bench(corpus="c", n_blocks=8, exam=EXAM, n_prompts=4, n_practices=3)
FASTER = '{"batch":64,"engine":"grouped","type":"inference.decoder"}'


def terms(benchmark: str, *subjects: str) -> tasks.EvaluateTerms:
    return tasks.EvaluateTerms(
        artifacts=subjects,
        seed=5,
        benchmark=benchmark,  # type: ignore[arg-type]  # by parameter
        model="model",
        rival=LATER_PARTS["decoder"],
    )


def text(*block_bpb: float) -> Evaluated:
    return Evaluated(bpb=4.0, domain_bpb=(), block_bpb=block_bpb, n_bytes=9)


def exam(*block_pass: float) -> Solved:
    return Solved(
        pass_1=0.5,
        pass_8=0.5,
        cell_pass_1=(),
        cell_pass_8=(),
        block_pass=block_pass,
        n_prompts=4,
        tokens_sampled=Tokens(0),
    )


def refereed(**changes: object) -> Refereed:
    fields: dict[str, object] = {
        "n_bytes": 9,
        "n_near_ties": 0,
        "n_mismatched": 0,
        "n_wrong": 0,
        "base_rate": 1.0,
        "candidate_rate": 4.0,
        "ratio": 4.0,
        "ratio_low": 2.0,
        "ratio_high": 8.0,
        "kernel_timing": "modelled",
    }
    return Refereed(**{**fields, **changes})  # type: ignore[arg-type]  # by name


def test_a_checkpoint_is_measured_by_its_trunk_and_by_what_grew_from_it() -> None:
    made = measurements(terms("index", checkpoint()), checkpoint(), BENCH)

    assert [type(one) for one in made] == [Evaluate, Solve]
    assert [getattr(one, "artifact", "") for one in made] == ["old trunk", "old"]


def test_an_index_is_half_bits_and_half_tasks_block_by_block() -> None:
    found = score(
        terms("index", checkpoint()), checkpoint(), [text(4.0, 4.0, 2.0, 2.0), exam(1.0, 0.5)]
    )

    assert found.block_bpb == (0.25, 0.375)
    assert found.bpb == pytest.approx(0.3125)


def test_tasks_that_are_not_solved_are_the_loss() -> None:
    found = score(terms("unsolved", "a"), "a", [exam(0.25, 0.75, 0.5, 0.5)])

    assert found == tasks.Score(artifact="a", bpb=0.5, block_bpb=(0.75, 0.25, 0.5, 0.5))


def test_a_decoder_is_held_against_the_ships_and_told_with_its_interval() -> None:
    asked = terms("decode", LATER_PARTS["decoder"], FASTER)

    (job,) = measurements(asked, FASTER, BENCH)
    found = score(asked, FASTER, [refereed(refusal="2 of 9 bytes are wrong")])

    assert isinstance(job, Referee)
    assert job.base == GENERATION_0_DECODER
    assert measurements(asked, LATER_PARTS["decoder"], BENCH) == []
    assert found.block_bpb == (-3.0, -2.0, -1.0)
    assert found.refusal == "2 of 9 bytes are wrong"


def test_a_notebook_policy_is_practised_by_a_mind() -> None:
    policy = LATER_PARTS["notebook"]

    (question,) = measurements(terms("regret", policy), policy, BENCH)

    assert question == mind.Practise(policy=policy, seed=5, n_tasks=3)
    assert score(terms("regret", policy), policy, [mind.Practised(regrets=(0.1, 0.3))]).bpb == 0.2


def test_an_answer_to_another_measurement_is_refused() -> None:
    with pytest.raises(WireError, match="expected what gives unsolved, came Evaluated"):
        score(terms("unsolved", "a"), "a", [text(4.0)])


@pytest.mark.parametrize(("benchmark", "subject"), [("index", "{}"), ("decode", '{"engine":"x"}')])
def test_a_subject_that_is_no_value_is_refused(benchmark: str, subject: str) -> None:
    with pytest.raises(WireError, match="value of a part"):
        measurements(terms(benchmark, subject), subject, BENCH)

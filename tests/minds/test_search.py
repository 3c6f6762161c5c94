import math
from collections.abc import Callable
from statistics import fmean, stdev

import pytest
from msgspec.structs import replace

from swarm.comms.messages.finding import Trial
from swarm.comms.messages.mind import ProposePart
from swarm.comms.messages.work import Start
from swarm.errors import InvariantError
from swarm.kernel.message import ActorId
from swarm.kernel.rng import Stream
from swarm.minds.search import Search
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.space import random_point, space, to_value
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_OPTIMIZER,
    Architecture,
)
from swarm.pipeline.values import identity, read_as
from tests.ships import checkpoint

SHAPE = canonical_json(GENERATION_0_ARCHITECTURE)
RULE = canonical_json(GENERATION_0_OPTIMIZER)
N_TRIALS, N_SEEDS = 20, 30


def random_value(question: ProposePart) -> str:
    """What to beat: uniform draws, logarithmic where the space is."""
    stream = Stream(seed=question.seed, owner="random", name="point")
    dimensions = space(question.part, question.current)
    while True:
        point = random_point(dimensions, stream)
        if value := to_value(question.part, point, question.current):
            return value


def gain_of_shape(value: str) -> float:
    """A synthetic truth, additive, about as large as what was measured at this size."""
    spec = read_as(Architecture, value)
    return (
        0.2 * (spec.positions == "rope")
        + 0.1 * spec.qk_norm
        + 0.2 * spec.zero_init
        - 0.1 * abs(math.log2(spec.width / 96))
        - 0.05 * abs(spec.depth - 1)
        - 0.05 * (spec.attention != "full")
    )


def best_of(
    propose: Callable[[ProposePart], str],
    part: str,
    current: str,
    truth: Callable[[str], float],
    seed: int,
) -> float:
    """Returns the best true gain after 20 noisy trials; equal seeds ask equal questions."""
    seeds = Stream(seed=seed, owner="test", name="questions")
    noise = Stream(seed=seed, owner="test", name="noise")
    history: list[Trial] = []
    for _ in range(N_TRIALS):
        question = ProposePart(
            part=part, current=current, history=tuple(history), notes=(), seed=seeds.integer(2**31)
        )
        value = propose(question)
        gain = truth(value) - truth(current) + 0.03 * noise.normal()
        history.append(
            Trial(author=ActorId("a-0"), part=part, value=value, base="m", gain_bpb=gain)
        )
    return max(truth(one.value) - truth(current) for one in history)


@pytest.mark.slow
def test_search_beats_random_at_twenty_trials_with_paired_seeds() -> None:
    task = ("architecture", SHAPE, gain_of_shape)

    differences = [
        best_of(lambda question: Search().decide(question).value, *task, seed)
        - best_of(random_value, *task, seed)
        for seed in range(N_SEEDS)
    ]

    standard_error = stdev(differences) / len(differences) ** 0.5
    assert fmean(differences) > 2.0 * standard_error


def ask(*history: Trial, part: str = "optimizer", current: str = RULE) -> ProposePart:
    return ProposePart(part=part, current=current, history=history, notes=(), seed=5)


def trial(value: str, gain: float, *, base: str = "m", failed: str = "") -> Trial:
    return Trial(
        author=ActorId("a-0"),
        part="optimizer",
        value=value,
        base=base,
        gain_bpb=gain,
        failed=failed,
    )


def test_the_reason_says_what_differs_and_how_many_trials_were_seen() -> None:
    answer = Search().decide(ask(trial(canonical_json(replace(GENERATION_0_OPTIMIZER, lr=1)), 0)))

    assert answer.reason.startswith("seen 1, sampled ")
    assert "=" in answer.reason


def test_what_was_tried_is_not_proposed_again() -> None:
    first = Search().decide(ask()).value

    second = Search().decide(ask(trial(first, 0.3))).value

    assert identity("optimizer", second) != identity("optimizer", first)


def test_gains_count_from_the_current_value_where_it_was_tried_too() -> None:
    others = [
        canonical_json(replace(GENERATION_0_OPTIMIZER, lr=lr)) for lr in (0.001, 0.003, 0.005)
    ]
    raised = [trial(value, 1.0 + i, base="old") for i, value in enumerate(others)]
    as_told = [trial(value, float(i)) for i, value in enumerate(others)]
    current = trial(RULE, 1.0, base="old")

    assert Search().decide(ask(*raised, current)).value != ""
    assert Search().decide(ask(current, *raised)).value == Search().decide(
        ask(trial(RULE, 0.0), *as_told)
    ).value  # fmt: skip


def test_failed_and_unreadable_trials_are_survived() -> None:
    broken = canonical_json(replace(GENERATION_0_OPTIMIZER, name="muon", lr=0.09))

    history = (trial(broken, 0.0, failed="diverged"), trial("nonsense", 9.0))

    assert Search().decide(ask(*history)).value


def test_a_part_without_a_space_gives_an_empty_answer() -> None:
    made = checkpoint(artifact="a", recipe="b")

    assert Search().decide(ask(part="checkpoint", current=made)).value == ""


def test_another_question_is_refused() -> None:
    with pytest.raises(InvariantError, match=r"mind of type Search: expected .* came Start"):
        Search().decide(Start())


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    Search().decide(ask())

    assert capfd.readouterr() == ("", "")

from statistics import fmean

import pytest
from msgspec.structs import replace

from swarm.errors import WireError
from swarm.kernel.rng import Stream
from swarm.pipeline.harness.landscape import CHOICES, LADDERS, OFFSETS, STARTS, Landscape
from swarm.pipeline.menu import changes
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import Mixture

SETTINGS = ("architecture", "optimizer")


def random_value(part: str, stream: Stream) -> str:
    """A value whose settings are drawn independently; shares of domains are drawn flatly."""
    start = STARTS[part]
    if isinstance(start, Mixture):
        drawn = tuple((name, stream.exponential(1.0)) for name, _ in start.weights)
        return canonical_json(Mixture(weights=drawn))
    chosen = {name: stream.choice(options) for name, options in CHOICES[part].items()}
    for name in LADDERS[part]:
        size = getattr(start, name) * 2.0 ** stream.choice(OFFSETS)
        chosen[name] = size if name == "lr" else int(size)
    return canonical_json(replace(start, **chosen))


def best_by_climbing(task: Landscape) -> str:
    """Follows the best single change until none is better."""
    value = task.start
    while True:
        best = max((one.value for one in changes(task.part, value)), key=task.worth)
        if task.worth(best) <= task.worth(value):
            return value
        value = best


@pytest.mark.parametrize("part", SETTINGS)
def test_the_best_value_can_be_reached_and_leaves_next_to_no_regret(part: str) -> None:
    left = [task.regret(best_by_climbing(task)) for task in (Landscape(part, n) for n in range(8))]

    assert max(left) < 0.35
    assert fmean(left) < 0.1


def test_shares_that_go_with_the_square_of_the_weights_leave_no_regret() -> None:
    task = Landscape("mixture", 3)
    alone = {
        name: task.worth(canonical_json(Mixture(weights=((name, 1.0),))))
        for name, _ in STARTS["mixture"].weights  # type: ignore[union-attr]  # it is a mixture
    }

    best = Mixture(weights=tuple((name, worth * worth) for name, worth in alone.items()))

    assert task.regret(canonical_json(best)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("part", sorted(STARTS))
def test_a_random_value_is_worth_one_less_than_the_best_on_average(part: str) -> None:
    task, stream = Landscape(part, 5), Stream(seed=1, owner="test", name=part)

    worths = [task.worth(random_value(part, stream)) for _ in range(2_000)]

    assert task.best - fmean(worths) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("part", sorted(STARTS))
def test_regrets_are_in_the_unit_interval_and_fall_with_worth(part: str) -> None:
    task = Landscape(part, 9)
    values = [task.start, *(change.value for change in changes(part, task.start))]

    ranked = sorted(values, key=task.worth)

    regrets = [task.regret(value) for value in ranked]
    assert regrets == sorted(regrets, reverse=True)
    assert all(0.0 <= one <= 1.0 for one in regrets)


def test_another_seed_is_another_task_and_the_same_seed_the_same() -> None:
    value = changes("optimizer", Landscape("optimizer", 0).start)[0].value

    worths = {Landscape("optimizer", seed).worth(value) for seed in (1, 1, 2, 3)}

    assert len(worths) == 3


def test_a_value_of_another_part_is_refused() -> None:
    with pytest.raises(WireError, match="expected Optimizer"):
        Landscape("optimizer", 0).worth(Landscape("mixture", 0).start)

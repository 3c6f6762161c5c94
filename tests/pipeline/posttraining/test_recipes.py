import math

import msgspec
import pytest
from msgspec.structs import replace

from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.recipes import (
    EXPERT_ITERATION,
    GENERATION_0_ENVIRONMENTS,
    GENERATION_0_REWARD,
    GENERATION_0_RL,
    GENERATION_0_SFT,
    GRPO,
    EnvironmentSet,
    RewardRule,
    RlRecipe,
    SftRecipe,
    Weighted,
)

COPY = EnvSpec(family="copy", difficulty=1)
REVERSE = EnvSpec(family="reverse", difficulty=1)


def set_of(*pairs: tuple[EnvSpec, float]) -> EnvironmentSet:
    return EnvironmentSet(
        environments=tuple(Weighted(spec=spec, weight=weight) for spec, weight in pairs)
    )


@pytest.mark.parametrize(
    "value",
    [
        GENERATION_0_SFT,
        GENERATION_0_ENVIRONMENTS,
        GENERATION_0_REWARD,
        GENERATION_0_RL,
        GRPO,
        EXPERT_ITERATION,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_come_with_the_ship_are_sound_and_survive_being_text(
    value: SftRecipe | EnvironmentSet | RewardRule | RlRecipe,
) -> None:
    text = canonical_json(value)

    again = msgspec.json.decode(text, type=type(value))

    assert again == value
    assert value.problem() is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"oracle": 0.0}, "shares"),
        ({"logged": -1.0}, "shares"),
        ({"rejected": math.nan}, "shares"),
        ({"examples": 33}, "examples"),
        ({"rows": 3}, "rows"),
        ({"rejection_prompts": 0}, "rejection"),
        ({"lr": 0.0}, "rates"),
        ({"adam_lr": math.nan}, "rates"),
    ],
    ids=str,
)
def test_fine_tuning_that_makes_no_sense_says_why(change: dict[str, float], word: str) -> None:
    problem = replace(GENERATION_0_SFT, **change).problem()

    assert problem is not None
    assert word in problem


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"share": 0.0}, "share"),
        ({"share": math.nan}, "share"),
        ({"prompts": 1_000}, "prompts"),
        ({"group": 1}, "answers"),
        ({"temperature": 0.0}, "temperature"),
        ({"updates": 0}, "updates"),
        ({"buffer": 1}, "buffer"),
        ({"lr": 2.0}, "rates"),
    ],
    ids=str,
)
def test_practice_that_makes_no_sense_says_why(change: dict[str, float], word: str) -> None:
    problem = replace(GRPO, **change).problem()

    assert problem is not None
    assert word in problem


def test_a_share_is_not_asked_of_no_practice() -> None:
    assert replace(GRPO, algorithm="none", share=0.0).problem() is None


def test_sets_that_are_empty_large_or_name_one_twice_say_so() -> None:
    many = [EnvSpec(family="copy", difficulty=1, wording=i) for i in range(65)]

    problems = [
        set_of(*pairs).problem() or ""
        for pairs in (
            (),
            [(spec, 1.0) for spec in many],
            [(COPY, 1.0), (COPY, 2.0)],
            [(COPY, 0.0)],
            [(EnvSpec(family="poetry", difficulty=1), 1.0)],
        )
    ]

    assert [
        word in problem
        for word, problem in zip(
            ("came 0", "came 65", "twice", "weight", "poetry"), problems, strict=True
        )
    ] == [True] * 5


def test_rewards_out_of_range_say_so() -> None:
    assert "partial" in (RewardRule(partial=1.0).problem() or "")
    assert "byte" in (RewardRule(length=-0.1).problem() or "")


def test_shares_of_environments_sum_to_one_even_where_weights_are_huge() -> None:
    shares = set_of((COPY, 1.5e308), (REVERSE, 0.5e308)).shares

    assert shares == pytest.approx((0.75, 0.25))


def test_settings_without_effect_do_not_make_another_recipe() -> None:
    doubled = replace(GENERATION_0_SFT, oracle=2.0, rejection_prompts=7)
    unread = replace(GRPO, rows=128, buffer=64)
    idle = replace(GRPO, algorithm="none")
    turned = set_of((REVERSE, 2.0), (COPY, 2.0))

    assert doubled.normal() == GENERATION_0_SFT.normal()
    assert unread.normal() == GRPO.normal()
    assert idle.normal() == GENERATION_0_RL
    assert turned.normal() == set_of((COPY, 1.0), (REVERSE, 1.0)).normal()


def test_settings_with_effect_make_another_recipe() -> None:
    assert replace(GENERATION_0_SFT, rejected=1.0).normal() != GENERATION_0_SFT.normal()
    assert replace(EXPERT_ITERATION, rows=128).normal() != EXPERT_ITERATION.normal()
    assert replace(GRPO, group=4).normal() != GRPO.normal()


@pytest.mark.parametrize("value", [GENERATION_0_SFT, GRPO, EXPERT_ITERATION, GENERATION_0_RL])
def test_what_is_normal_stays_as_it_is(value: SftRecipe | RlRecipe) -> None:
    assert value.normal().normal() == value.normal()

"""What the field would try around the values of post-training, one change at a time.

Priors say what usually matters more: demonstrations of what is examined, then rates, then practice.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from swarm.pipeline.posttraining.environments.environment import EnvSpec, families
from swarm.pipeline.posttraining.recipes import (
    EXPERT_ITERATION,
    GRPO,
    EnvironmentSet,
    RewardRule,
    RlRecipe,
    SftRecipe,
    Weighted,
)


def demonstrations(spec: SftRecipe) -> Iterator[tuple[str, SftRecipe, float]]:
    """Yields other amounts, sources and rates."""
    for times, prior in ((2, 3.0), (4, 4.0)):
        examples = min(32, spec.examples * times)
        yield f"examples x{times}", replace(spec, examples=examples), prior
    for factor, prior in ((2.0, 4.0), (4.0, 4.0), (0.5, 1.0)):
        lr, adam_lr = _rounded(spec.lr * factor), _rounded(spec.adam_lr * factor)
        yield f"rates x{factor:g}", replace(spec, lr=lr, adam_lr=adam_lr), prior
    for rows, prior in ((16, 2.0), (64, 2.0), (128, 0.5)):
        yield f"{rows} rows a step", replace(spec, rows=rows), prior
    yield "half rejection-sampled", replace(spec, oracle=0.5, rejected=0.5), 1.0
    yield "half the lab's own questions", replace(spec, oracle=0.5, logged=0.5), 0.5
    yield "oracle only", replace(spec, oracle=1.0, rejected=0.0, logged=0.0), 1.0


def practice(spec: RlRecipe) -> Iterator[tuple[str, RlRecipe, float]]:
    """Yields algorithms at the settings that worked, and changes of the present one."""
    for share, prior in ((0.3, 3.0), (0.5, 2.0)):
        for name, recipe in (("expert iteration", EXPERT_ITERATION), ("grpo", GRPO)):
            small = replace(recipe, share=share, prompts=32)
            yield f"{name} for {share:g} of the budget", small, prior
    yield "no practice", replace(spec, algorithm="none", share=0.0), 1.0
    if spec.algorithm == "none":
        return
    for share in (0.15, 0.3, 0.5, 0.8):
        yield f"{share:g} of the budget", replace(spec, share=share), 1.0
    for factor in (2.0, 0.5):
        lr, adam_lr = _rounded(spec.lr * factor), _rounded(spec.adam_lr * factor)
        yield f"rates x{factor:g}", replace(spec, lr=lr, adam_lr=adam_lr), 2.0
        prompts = max(4, min(512, int(spec.prompts * factor)))
        yield f"prompts x{factor:g}", replace(spec, prompts=prompts), 1.0
    yield "more oracle replay", replace(spec, replay=min(256, 2 * spec.replay + 8)), 1.0


def rewards(spec: RewardRule) -> Iterator[tuple[str, RewardRule, float]]:
    """Yields shares of partial credit, and prices of superfluous bytes."""
    for partial, prior in ((0.25, 2.0), (0.5, 1.0), (0.0, 1.0)):
        yield f"partial credit {partial:g}", replace(spec, partial=partial), prior
    for length, prior in ((0.05, 2.0), (0.2, 1.0), (0.0, 1.0)):
        yield f"{length:g} off a superfluous byte", replace(spec, length=length), prior


def environments(spec: EnvironmentSet) -> Iterator[tuple[str, EnvironmentSet, float]]:
    """Yields sets with one family more, harder, or without one environment."""
    have = spec.environments
    known = {one.spec.family for one in have}
    for family in families():
        if family not in known:
            more = Weighted(spec=EnvSpec(family=family, difficulty=1))
            yield f"and {family}", EnvironmentSet(environments=(*have, more)), 2.0
    for at, one in enumerate(have):
        rest = (*have[:at], *have[at + 1 :])
        if rest:
            yield f"without {one.spec.family}", EnvironmentSet(environments=rest), 0.5
        harder = replace(one, spec=replace(one.spec, difficulty=min(5, one.spec.difficulty + 1)))
        changed = (*have[:at], harder, *have[at + 1 :])
        yield f"harder {one.spec.family}", EnvironmentSet(environments=changed), 0.5


def _rounded(rate: float) -> float:
    return min(1.0, float(f"{rate:.3g}"))

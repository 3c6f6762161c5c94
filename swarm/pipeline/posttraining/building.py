"""Building an environment to order: which one to try next.

What is examined and not yet practised comes first; then variations and compositions of what there
is, so that practice gets harder and different.
"""

from collections.abc import Sequence

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.environments.variation import compose, mutate

FRESH_FIRST = 0.8
"""How often a wanted family that is missing is chosen, while there is one."""


def draft(
    current: Sequence[EnvSpec], wanted: Sequence[EnvSpec], shunned: Sequence[EnvSpec], rng: Stream
) -> EnvSpec:
    """Returns an environment to build; it may be one that will not pass its gates.

    Args:
        current: What the ship practises on, at least one.
        wanted: What models are examined on.
        shunned: What was called back or was found wanting: not built again.
        rng: Draws.
    """
    missing = [one for one in wanted if one not in current and one not in shunned]
    if missing and rng.random() < FRESH_FIRST:
        return rng.choice(missing)
    pool = [*current, *wanted]
    while True:
        first = rng.choice(pool)
        made = compose(first, rng.choice(pool), rng) if rng.random() < 0.2 else mutate(first, rng)
        if made not in current and made not in shunned:
            return made

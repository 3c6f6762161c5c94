"""What builders do with specs: change one thing, or put two together; verifiers stay."""

from collections.abc import Callable

from msgspec.structs import replace

from swarm.errors import InvariantError
from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.environment import (
    COMPOSE,
    HARDEST,
    MAX_TRANSFORMATIONS,
    EnvSpec,
    families,
    family,
)
from swarm.pipeline.posttraining.environments.transformations import TRANSFORMATIONS

_MOST_TRIES = 1_000


def mutate(spec: EnvSpec, rng: Stream) -> EnvSpec:
    """Returns a spec without problem that differs in one thing from one without problem."""
    for _ in range(_MOST_TRIES):
        change = rng.choice(_CHANGES)
        tried = change(spec, rng)
        if tried != spec and tried.problem() is None:
            return tried
    raise InvariantError(
        rule="every environment has a neighbour", expected="a usable change", came=repr(spec)
    )


def compose(a: EnvSpec, b: EnvSpec, rng: Stream) -> EnvSpec:
    """Returns a spec that asks the question of ``a`` and then that of ``b``.

    Wording and verifier are those of ``a``, the difficulty is one of the two, and so are the
    transformations; those that the pair does not allow are left out, the last first.
    """
    kept = [
        name
        for name in dict.fromkeys((*a.transformations, *b.transformations))
        if not name.startswith(COMPOSE) and rng.integer(2)
    ]
    names = _in_order([f"{COMPOSE}{b.family}", *kept])[:MAX_TRANSFORMATIONS]
    spec = replace(a, difficulty=rng.choice((a.difficulty, b.difficulty)), transformations=names)
    while spec.problem() is not None:
        spec = replace(spec, transformations=spec.transformations[:-1])
    return spec


def _harder_or_easier(spec: EnvSpec, rng: Stream) -> EnvSpec:
    step = rng.choice((-1, 1))
    return replace(spec, difficulty=min(HARDEST, max(1, spec.difficulty + step)))


def _worded(spec: EnvSpec, rng: Stream) -> EnvSpec:
    return replace(spec, wording=rng.integer(len(family(spec.family).wordings)))


def _of_another_family(spec: EnvSpec, rng: Stream) -> EnvSpec:
    # Families differ in how many wordings they have; the first is in all of them.
    return replace(spec, family=rng.choice(families()), wording=0)


def _with_one_more(spec: EnvSpec, rng: Stream) -> EnvSpec:
    more = rng.choice((*TRANSFORMATIONS, f"{COMPOSE}{rng.choice(families())}"))
    return replace(spec, transformations=_in_order([*spec.transformations, more]))


def _with_one_less(spec: EnvSpec, rng: Stream) -> EnvSpec:
    names = list(spec.transformations)
    if names:
        names.pop(rng.integer(len(names)))
    return replace(spec, transformations=tuple(names))


def _in_other_order(spec: EnvSpec, rng: Stream) -> EnvSpec:
    return replace(spec, transformations=_in_order(rng.shuffled(spec.transformations)))


def _in_order(names: list[str]) -> tuple[str, ...]:
    """Sorts names as specs want them: compose, input, answer; among equals as they came."""

    def rank(name: str) -> int:
        if name.startswith(COMPOSE):
            return 0
        return 1 if TRANSFORMATIONS[name].side == "input" else 2

    return tuple(sorted(names, key=rank))


_CHANGES: tuple[Callable[[EnvSpec, Stream], EnvSpec], ...] = (
    _harder_or_easier,
    _worded,
    _of_another_family,
    _with_one_more,
    _with_one_more,
    _with_one_less,
    _in_other_order,
)
"""One more stands twice, so that specs do not shrink as fast as they grow."""

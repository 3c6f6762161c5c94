"""What an environment that passed its gates is worth: difficulty times learnability times novelty.

Source: 4p(1-p), the variance of a pass or fail in units of its largest, correlates .45 with the
gain after a fixed amount of training (our measurements): it filters, and does not rank alone.
"""

from collections.abc import Sequence
from hashlib import blake2b

from swarm.errors import UsageError
from swarm.pipeline.posttraining.environments.environment import (
    COMPOSE,
    EnvSpec,
    make_task,
    partner,
)
from swarm.pipeline.posttraining.environments.prompt import read_prompt


def worth(spec: EnvSpec, *, pass_rate: float, known: Sequence[EnvSpec]) -> float:
    """Returns difficulty x 4p(1-p) x novelty, in [0, 5].

    Args:
        spec: The environment; whether it passed its gates is for the caller to know.
        pass_rate: p, the share of answers of the current checkpoint that are right.
        known: What there is already; novelty is the distance to the nearest of them, 1 if none.

    Raises:
        UsageError: If the pass rate is not in [0, 1].
    """
    if not 0.0 <= pass_rate <= 1.0:
        raise UsageError(what=f"a pass rate is in [0, 1], not {pass_rate}")
    learnability = 4.0 * pass_rate * (1.0 - pass_rate)
    return spec.difficulty * learnability * novelty(spec, known)


def novelty(spec: EnvSpec, known: Sequence[EnvSpec]) -> float:
    """Returns the distance to the nearest known spec, in [0, 1]; 1 if none is known."""
    return min((distance(spec, other) for other in known), default=1.0)


def distance(a: EnvSpec, b: EnvSpec) -> float:
    """Returns how different two specs are by structure, in [0, 1]; 0 if they ask the same.

    Families weigh .5, transformations .3 (Jaccard's distance of the sets, or a third of it where
    only the order differs), difficulty .15 and wording .05. The verifier is no novelty.
    """
    changes_a, changes_b = _changes(a), _changes(b)
    union = set(changes_a) | set(changes_b)
    apart = 1.0 - len(set(changes_a) & set(changes_b)) / len(union) if union else 0.0
    if not apart and changes_a != changes_b:
        apart = 1 / 3
    families_a, families_b = (a.family, partner(a)), (b.family, partner(b))
    different = sum(one != other for one, other in zip(families_a, families_b, strict=True)) / 2
    # One question instead of the same two, or another of two, is half new; another one alone all.
    different = 1.0 if partner(a) is partner(b) is None and a.family != b.family else different
    return (
        0.5 * different
        + 0.3 * apart
        + 0.15 * abs(a.difficulty - b.difficulty) / 4
        + 0.05 * (a.wording != b.wording)
    )


def behaviour_hash(spec: EnvSpec) -> str:
    """Returns a hash of what is asked and answered, wording and tags left aside.

    Two specs of one hash are one environment told twice: 16 tasks ask for the same answers to the
    same operands, shown in the same way.
    """
    mark = blake2b(digest_size=16)
    for seed in range(16):
        task = make_task(spec, seed)
        question = read_prompt(task.prompt)
        parts = question.parts if question is not None else ()
        mark.update(f"{parts}\0{task.answer}\0".encode())
    shown = sorted(name for name in _changes(spec) if name.endswith("_input"))
    mark.update(" ".join(shown).encode())
    return mark.hexdigest()


def _changes(spec: EnvSpec) -> list[str]:
    return [name for name in spec.transformations if not name.startswith(COMPOSE)]

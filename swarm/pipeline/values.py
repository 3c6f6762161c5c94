"""Values of the parts that somebody works on: how they are read, checked, compared and combined.

A value is canonical JSON text of a spec; ``read_value`` is the edge where it is checked. Many texts
mean the same thing (weights of another scale, a window that full attention ignores): ``identity``
gives all of them one text, so that nothing is tried twice under two names.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias, TypeVar

import msgspec
from msgspec.structs import asdict, replace

from swarm.comms.messages.ship import PartValue
from swarm.errors import WireError
from swarm.pipeline.harness.spec import NotebookPolicy
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.parts import canonical_json, version_hash
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.recipes import EnvironmentSet, RewardRule, RlRecipe, SftRecipe
from swarm.pipeline.pretraining.spec import Architecture, Mixture, Optimizer


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights, and the recipe that they came from."""

    artifact: str
    """SHA-256 of the file with the post-trained weights, as ``PostTrained`` gives it."""
    recipe: str
    """``recipe_hash`` of the ship that it was made on."""
    base: str
    """SHA-256 of the pre-trained weights that it grew from, as ``Trained`` gives it."""
    trunk: str
    """``trunk_hash`` of the ship that those were trained on."""
    architecture: Architecture
    """Their shape."""

    def problem(self) -> str | None:
        """Returns why this cannot be a checkpoint, or nothing if it can."""
        if not all((self.artifact, self.recipe, self.base, self.trunk)):
            return "a checkpoint names two artifacts and the recipes of both"
        return self.architecture.problem()


Spec: TypeAlias = (
    Mixture | Architecture | Optimizer | SftRecipe | EnvironmentSet | RewardRule | RlRecipe
    | DecoderSpec | NotebookPolicy | Checkpoint
)  # fmt: skip
SpecT = TypeVar("SpecT", bound="Spec")

KINDS: Mapping[str, type[Spec]] = {
    "mixture": Mixture,
    "architecture": Architecture,
    "optimizer": Optimizer,
    "sft": SftRecipe,
    "environments": EnvironmentSet,
    "reward": RewardRule,
    "rl": RlRecipe,
    "decoder": DecoderSpec,
    "notebook": NotebookPolicy,
    "checkpoint": Checkpoint,
}
"""What stands in the value of each part."""


def read_value(part: str, value: PartValue) -> Spec:
    """Reads and checks a part's value.

    Raises:
        WireError: If it is not JSON, not of the part's type, or makes no sense.
    """
    if part not in KINDS:
        raise WireError(
            where="value of a part", expected=f"one of {', '.join(KINDS)}", came=f"part {part!r}"
        )
    return read_as(KINDS[part], value)


def read_as(kind: type[SpecT], value: PartValue) -> SpecT:
    """Reads and checks a value that must be of that type; raises as ``read_value`` does."""
    try:
        spec = msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise WireError(
            where="value of a part", expected=kind.__name__, came=f"{value:.200} ({wrong})"
        ) from wrong
    if problem := spec.problem():
        raise WireError(where="value of a part", expected=f"a usable {kind.__name__}", came=problem)
    return spec


def read_environment(text: str) -> EnvSpec:
    """Reads and checks an environment on the market; raises as ``read_value`` does."""
    try:
        spec = msgspec.json.decode(text, type=EnvSpec)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise WireError(
            where="an environment", expected="one as JSON", came=f"{text:.200} ({wrong})"
        ) from wrong
    if problem := spec.problem():
        raise WireError(where="an environment", expected="a usable one", came=problem)
    return spec


def identity(part: str, value: PartValue) -> str:
    """Returns one text for all values that come to the same thing.

    Raises:
        WireError: As ``read_value`` does.
    """
    return canonical_json(normal(read_value(part, value)))


def value_tag(part: str, value: PartValue) -> str:
    """Returns 8 hexadecimal digits by which notebooks call a value, by its ``identity``."""
    return version_hash(part, identity(part, value))[:8]


def normal(spec: Spec) -> Spec:
    """Returns the spec without what has no effect: scale, order, unused settings."""
    match spec:
        case Mixture():
            whole = thousandths(sorted(spec.weights))
            return Mixture(weights=tuple(pair for pair in whole if pair[1] > 0))
        case Architecture():
            windowed, grouped = spec.attention == "windowed", spec.attention == "grouped-query"
            return replace(
                spec,
                window=spec.window if windowed else _ANY_WINDOW,
                n_kv_heads=spec.n_kv_heads if grouped else _ANY_N_KV_HEADS,
            )
        case Optimizer():
            return spec if spec.name == "muon" else replace(spec, adam_lr=_ANY_ADAM_LR)
        case _:
            return spec


_ANY_WINDOW = 32
_ANY_N_KV_HEADS = 1
_ANY_ADAM_LR = 0.005


def thousandths(weights: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Scales weights to whole numbers that sum to 1,000, by largest remainder, first named first.

    A second application changes nothing.
    """
    pairs = tuple(weights)
    largest = max(weight for _, weight in pairs)
    shares = [weight / largest for _, weight in pairs]  # before summing: sums may overflow
    total = sum(shares)
    exact = [1_000.0 * share / total for share in shares]
    counts = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
    for i in order[: 1_000 - sum(counts)]:
        counts[i] += 1
    return tuple((name, float(n)) for (name, _), n in zip(pairs, counts, strict=True))


def settings(spec: Spec) -> dict[str, object]:
    """Returns what the spec sets, by field name, in normal form."""
    return asdict(normal(spec))


def describe(part: str, value: PartValue, current: PartValue) -> str:
    """Returns in a few words how a value differs from the current one."""
    new, old = read_value(part, value), read_value(part, current)
    if isinstance(new, Mixture) and isinstance(old, Mixture):
        before = dict(thousandths(old.weights))
        return " ".join(
            f"{name}={before.get(name, 0.0) / 1_000:.3g}->{weight / 1_000:.3g}"
            for name, weight in thousandths(new.weights)
            if weight != before.get(name, 0.0)
        )
    if isinstance(new, EnvironmentSet) and isinstance(old, EnvironmentSet):
        more = [f"with {_named(one)}" for one in new.specs if one not in old.specs]
        less = [f"without {_named(one)}" for one in old.specs if one not in new.specs]
        return " ".join([*more, *less]) or "other weights"
    before_all, after = asdict(normal(old)), asdict(normal(new))
    return " ".join(
        f"{name}={setting}" for name, setting in after.items() if setting != before_all.get(name)
    )


def _named(one: EnvSpec) -> str:
    return " ".join((one.family, *one.transformations, f"at {one.difficulty}"))


def combine(part: str, current: PartValue, first: PartValue, second: PartValue) -> PartValue | None:
    """Returns the current value with both changes made, or nothing where they exclude each other.

    Settings are taken from whichever of the two changed them; shifts of a mixture are added.
    """
    old, a, b = (read_value(part, value) for value in (current, first, second))
    match old, a, b:
        case (Mixture(), Mixture(), Mixture()):
            both: Spec | None = _add_shifts(old, a, b)
        case (Checkpoint(), _, _) | (EnvironmentSet(), _, _):
            both = None
        case _:
            both = _merge(old, a, b)
    return None if both is None or both.problem() else canonical_json(both)


def _merge(old: Spec, a: Spec, b: Spec) -> Spec | None:
    before, with_a, with_b = settings(old), settings(a), settings(b)
    by_a = {name: value for name, value in with_a.items() if value != before[name]}
    by_b = {name: value for name, value in with_b.items() if value != before[name]}
    if any(by_b[name] != by_a[name] for name in by_a if name in by_b):
        return None
    return replace(old, **by_a, **{n: value for n, value in by_b.items() if n not in by_a})


def _add_shifts(old: Mixture, a: Mixture, b: Mixture) -> Mixture:
    before, with_a, with_b = (dict(thousandths(one.weights)) for one in (old, a, b))
    names = list(dict.fromkeys([*before, *with_a, *with_b]))
    moved = [
        (n, max(0.0, with_a.get(n, 0.0) + with_b.get(n, 0.0) - before.get(n, 0.0))) for n in names
    ]
    return Mixture(weights=thousandths(moved))

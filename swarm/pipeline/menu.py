"""The menu: what the field would try around a value of a part, one change at a time.

Priors say what usually matters more at this size: from the field, and from the tables of
``docs/labbook.md``. They decide what is tried sooner, never what is accepted.

Sources:
    Rotary positions: Su et al. (arXiv:2104.09864). QK-norm: Henry et al. (arXiv:2010.04245).
    RMSNorm: Zhang and Sennrich (arXiv:1910.07467). ReLU squared: So et al. (arXiv:2109.08668).
    SwiGLU: Shazeer (arXiv:2002.05202). Zero-initialised output projections and Muon as used in
    https://github.com/KellerJordan/modded-nanogpt. WSD: Hu et al. (arXiv:2404.06395).
"""

from collections.abc import Iterator
from typing import NamedTuple, assert_never

from msgspec.structs import replace

from swarm.comms.messages.ship import PartValue
from swarm.pipeline.harness import menu as harness
from swarm.pipeline.harness.spec import NotebookPolicy
from swarm.pipeline.inference import menu as inference
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining import menu as posttraining
from swarm.pipeline.posttraining.recipes import EnvironmentSet, RewardRule, RlRecipe, SftRecipe
from swarm.pipeline.pretraining.spec import Architecture, Mixture, Optimizer
from swarm.pipeline.values import (
    Checkpoint,
    Spec,
    identity,
    normal,
    read_value,
    thousandths,
)


class Change(NamedTuple):
    """One thing to try."""

    name: str
    """For people, and for the notebook."""
    value: PartValue
    prior: float
    """How much sooner it should be tried than a change of prior 1; above 0."""


def changes(part: str, current: PartValue) -> tuple[Change, ...]:
    """Returns single changes of a value: distinct, usable, none the same as the value itself.

    A checkpoint has none: it is made, not proposed.

    Raises:
        WireError: If the value is not one of that part.
    """
    spec = read_value(part, current)
    seen = {identity(part, current)}
    menu = []
    for name, tried, prior in _around(spec):
        if tried.problem() is not None:
            continue
        same = canonical_json(normal(tried))
        if same not in seen:
            seen.add(same)
            menu.append(Change(name, canonical_json(tried), prior))
    return tuple(menu)


def _around(spec: Spec) -> Iterator[tuple[str, Spec, float]]:
    match spec:
        case Mixture():
            yield from _mixtures(spec)
        case Architecture():
            yield from _grammar(spec)
            yield from _shapes(spec)
        case Optimizer():
            yield from _optimizers(spec)
        case SftRecipe():
            yield from posttraining.demonstrations(spec)
        case EnvironmentSet():
            yield from posttraining.environments(spec)
        case RewardRule():
            yield from posttraining.rewards(spec)
        case RlRecipe():
            yield from posttraining.practice(spec)
        case DecoderSpec():
            yield from inference.around(spec)
        case NotebookPolicy():
            yield from harness.around(spec)
        case Checkpoint():
            return
        case _:
            assert_never(spec)


def _mixtures(spec: Mixture) -> Iterator[tuple[str, Mixture, float]]:
    """Yields shifts towards and away from single domains; a domain of weight 0 can come back."""
    shares = [(name, weight / 1_000) for name, weight in thousandths(spec.weights)]
    for domain, share in shares:
        for verb, new, prior in (
            ("much more", share + 0.5 * (1.0 - share), 3.0),
            ("more", share + 0.25 * (1.0 - share), 1.0),
            ("less", 0.5 * share, 0.5),
            ("no", 0.0, 1.0),
        ):
            others = 1.0 - share
            if new == 0.0 and others == 0.0:
                continue
            scale = (1.0 - new) / others if others else 0.0
            moved = [(name, new if name == domain else old * scale) for name, old in shares]
            yield f"{verb} {domain}", Mixture(weights=thousandths(moved)), prior


def _grammar(spec: Architecture) -> Iterator[tuple[str, Architecture, float]]:
    modern = replace(spec, positions="rope", qk_norm=True, zero_init=True)
    yield "rotary positions, qk-norm and zero init", modern, 8.0
    yield "rotary positions", replace(spec, positions="rope"), 6.0
    yield "qk-norm and zero init", replace(spec, qk_norm=True, zero_init=True), 2.0
    yield "zero init", replace(spec, zero_init=True), 2.0
    yield "qk-norm", replace(spec, qk_norm=True), 2.0
    yield "rmsnorm", replace(spec, norm="rmsnorm"), 2.0
    yield "relu squared", replace(spec, activation="relu2"), 2.0
    yield "swiglu", replace(spec, activation="swiglu"), 0.5
    window = max(1, spec.context // 4)
    yield "windowed attention", replace(spec, attention="windowed", window=window), 1.0
    yield "grouped queries", replace(spec, attention="grouped-query", n_kv_heads=1), 1.0
    yield "full attention", replace(spec, attention="full"), 1.0
    yield "layernorm", replace(spec, norm="layernorm"), 0.5
    yield "gelu", replace(spec, activation="gelu"), 0.5
    yield "learned positions", replace(spec, positions="learned"), 0.5
    yield "no qk-norm", replace(spec, qk_norm=False), 0.5
    yield "no zero init", replace(spec, zero_init=False), 0.5


def _shapes(spec: Architecture) -> Iterator[tuple[str, Architecture, float]]:
    """Yields other shapes; trading width against depth keeps the cost of a token about equal.

    The budget of a job is in FLOPs, so every shape is compared at equal FLOPs.
    """
    step = spec.heads * 4  # an even width per head, which rotary positions need
    for depth, prior in ((spec.depth - 1, 1.0), (spec.depth + 1, 0.5)):
        if depth >= 1:
            width = max(step, round(spec.width * (spec.depth / depth) ** 0.5 / step) * step)
            verb = "shallower and wider" if depth < spec.depth else "deeper and narrower"
            yield verb, replace(spec, depth=depth, width=width), prior
    if spec.depth > 1:
        yield "shallower", replace(spec, depth=spec.depth - 1), 6.0
    for verb, factor, prior in (("wider", 1.5, 0.5), ("narrower", 0.75, 3.0)):
        width = max(step, round(spec.width * factor / step) * step)
        yield verb, replace(spec, width=width), prior
    yield "more heads", replace(spec, heads=2 * spec.heads), 1.0
    yield "fewer heads", replace(spec, heads=max(1, spec.heads // 2)), 1.0
    yield "longer context", replace(spec, context=2 * spec.context), 0.5
    yield "shorter context", replace(spec, context=max(16, spec.context // 2)), 1.0


ADAM_LR = 0.01
"""Rate of what Muon does not update, when a value switches to it."""


def _optimizers(spec: Optimizer) -> Iterator[tuple[str, Optimizer, float]]:
    for lr, prior in ((0.02, 8.0), (0.01, 3.0), (0.03, 3.0)):
        name = f"muon at {lr:g}"
        yield name, replace(spec, name="muon", lr=lr, adam_lr=ADAM_LR), prior
    for factor, prior in ((2.0, 1.0), (1.5, 2.0), (0.7, 2.0), (0.5, 2.0)):
        yield f"rate x{factor:g}", replace(spec, lr=_rounded(spec.lr * factor)), prior
    yield "adamw at 0.004", replace(spec, name="adamw", lr=0.004), 1.0
    for factor in (2.0, 0.5):
        adam_lr = _rounded(spec.adam_lr * factor)
        yield f"adam rate x{factor:g}", replace(spec, adam_lr=adam_lr), 1.5
    for factor, prior in ((0.5, 4.0), (0.25, 2.0), (2.0, 1.0)):
        tokens = int(spec.batch_tokens * factor)
        yield f"batch x{factor:g}", replace(spec, batch_tokens=tokens), prior
    for decay in (0.0, 0.03, 0.1, 0.3):
        yield f"weight decay {decay:g}", replace(spec, weight_decay=decay), 1.0
    for warmup in (0.0, 0.05, 0.1, 0.2):
        yield f"warm-up {warmup:g}", replace(spec, warmup=warmup), 1.0
    yield "wsd", replace(spec, schedule="wsd"), 2.0
    yield "linear", replace(spec, schedule="linear"), 2.0
    yield "cosine", replace(spec, schedule="cosine"), 1.0
    yield "constant rate", replace(spec, schedule="constant"), 2.0


def _rounded(rate: float) -> float:
    """Returns the number to 3 significant digits, so that equal rates are equal numbers."""
    return float(f"{rate:.3g}")

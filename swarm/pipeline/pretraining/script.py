"""A training job as one readable Python file that needs torch and nothing of swarm.

The template holds every variant of model and optimizer between lines ``#if <name>``, ``#else`` and
``#end``; only what the recipe uses is written out, with its numbers for ``{{name}}``. Tests hold
the file against the job: same losses, same weights, to the bit.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from swarm.errors import InvariantError
from swarm.pipeline.pretraining.spec import Train

TEMPLATE = Path(__file__).with_name("train_script.template")

_NAME = re.compile(r"\{\{(\w+)\}\}")


def training_script(spec: Train, *, run: str) -> str:
    """Returns the file; what it prints and writes stands in its own docstring.

    Args:
        spec: The job; must have no problem.
        run: What the file's first line calls the run.
    """
    lines = _chosen(TEMPLATE.read_text(encoding="utf-8").splitlines(), _variants(spec))
    numbers = _numbers(spec, run)
    return _NAME.sub(lambda found: numbers[found[1]], "\n".join(lines) + "\n")


def _variants(spec: Train) -> frozenset[str]:
    shape = spec.architecture
    named = {shape.norm, shape.positions, shape.activation, spec.optimizer.name}
    flags = {
        "qk_norm": shape.qk_norm,
        "zero_init": shape.zero_init,
        "windowed": shape.attention == "windowed",
        "grouped": shape.kv_width() != shape.width,
    }
    chosen = {name for name, is_on in flags.items() if is_on}
    return frozenset(named | chosen | {spec.optimizer.schedule})


def _numbers(spec: Train, run: str) -> Mapping[str, str]:
    shape, optimizer = spec.architecture, spec.optimizer
    weights = [(name, weight) for name, weight in spec.mixture.weights if weight > 0]
    # Shown as they are written: repr gives the shortest text that reads as the same number.
    return {
        "run": run,
        "summary": _summary(spec),
        "mixture": "\n".join(f"    {name!r}: {weight!r}," for name, weight in weights),
        "width": repr(shape.width),
        "depth": repr(shape.depth),
        "heads": repr(shape.heads),
        "context": repr(shape.context),
        "hidden": repr(shape.hidden()),
        "n_kv_heads": repr(shape.n_kv_heads),
        "window": repr(shape.window),
        "seed": repr(spec.seed),
        "n_steps": repr(spec.n_steps),
        "n_sequences": repr(spec.n_sequences),
        "n_tokens": f"{spec.tokens:,}",
        "lr": repr(optimizer.lr),
        "adam_lr": repr(optimizer.adam_lr),
        "weight_decay": repr(optimizer.weight_decay),
        "warmup": repr(optimizer.warmup),
    }


def _summary(spec: Train) -> str:
    shape = spec.architecture
    plural = "" if shape.depth == 1 else "s"
    return f"{shape.n_params():,} parameters,\n{shape.depth} block{plural} of width {shape.width}"


def _chosen(lines: list[str], variants: frozenset[str]) -> list[str]:
    """Returns the lines of the variants that are on; blocks do not nest."""
    kept: list[str] = []
    is_on, is_open = True, False
    for line in lines:
        word, _, name = line.partition(" ")
        if word == "#if":
            is_on, is_open = name in variants, True
        elif word == "#else":
            is_on = not is_on
        elif word == "#end":
            is_on, is_open = True, False
        elif is_on:
            kept.append(line)
    if is_open:
        raise InvariantError(rule="training script", expected="#end", came="the end of the file")
    return kept

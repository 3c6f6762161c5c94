"""Environments: how many pass the gates in how much time, and how well auditors find hackable ones.

A builder mutates and composes, starting from the plain specs of all families; what passes all gates
and asks for something that none before did is counted. Wordings and tags make nothing new here.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from swarm.analysis.promises import Figure, Report
from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.attackers import attack
from swarm.pipeline.posttraining.environments.environment import (
    HARDEST,
    EnvSpec,
    families,
    partner,
)
from swarm.pipeline.posttraining.environments.gates import examine
from swarm.pipeline.posttraining.environments.planting import planted, sound
from swarm.pipeline.posttraining.environments.variation import compose, mutate
from swarm.pipeline.posttraining.environments.worth import behaviour_hash

N_PROMISED_PLANTS, N_PROMISED_SOUND = 20, 50


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    report = measure(
        n_specs=arguments.specs,
        n_plants=max(N_PROMISED_PLANTS, arguments.plants),
        n_sound=max(N_PROMISED_SOUND, arguments.sound),
        seed=arguments.seed,
    )
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(*, n_specs: int, n_plants: int, n_sound: int, seed: int) -> Report:
    """Builds, plants and attacks, and holds the outcome against the promises."""
    built = build(n_specs, seed)
    found = [attack(planted(one), seed + one) is not None for one in range(n_plants)]
    began = time.process_time()
    alarms = [attack(sound(one), seed + one) is not None for one in range(n_sound)]
    audit_seconds = (time.process_time() - began) / n_sound
    return Report(
        benchmark="environments",
        figures=(
            Figure(
                what=f"{n_specs:,} different environments through the gates",
                value=built.cpu_seconds,
                unit="CPU-s",
                promise=60 * n_specs / 500,
                is_better="below",
            ),
            Figure(what="environments passed", value=n_specs / built.cpu_seconds, unit="per CPU-s"),
            Figure(
                what="of them with one question, not two",
                value=sum(partner(spec) is None for spec in built.specs),
                unit="specs",
            ),
            Figure(what="specs examined for them", value=built.n_examined, unit="specs"),
            Figure(
                what=f"planted hackable verifiers found, seeds 0 to {N_PROMISED_PLANTS - 1}",
                value=sum(found[:N_PROMISED_PLANTS]),
                unit=f"of {N_PROMISED_PLANTS}",
                promise=N_PROMISED_PLANTS,
            ),
            Figure(what="the same of all seeds", value=sum(found), unit=f"of {n_plants}"),
            Figure(
                what="false alarms on sound verifiers",
                value=sum(alarms[:N_PROMISED_SOUND]),
                unit=f"of {N_PROMISED_SOUND}",
                promise=1,
                is_better="below",
            ),
            Figure(what="the same of all seeds", value=sum(alarms), unit=f"of {n_sound}"),
            Figure(what="one audit", value=1_000 * audit_seconds, unit="CPU-ms"),
        ),
        facts={
            "families": str(len(families())),
            "kinds planted": str(len({planted(one).verifier for one in range(n_plants)})),
            "turned down for": ", ".join(f"{name} {n}" for name, n in built.failures),
        },
    )


class Built(NamedTuple):
    """What a builder got through the gates."""

    specs: tuple[EnvSpec, ...]
    n_examined: int
    cpu_seconds: float
    """Of proposing and examining."""
    failures: tuple[tuple[str, int], ...]
    """How often each gate turned a spec down, sorted by name."""


def build(n_specs: int, seed: int) -> Built:
    """Varies specs until that many different ones passed."""
    rng = Stream(seed=seed, owner="benchmark", name="builder")
    began = time.process_time()
    passed = [
        EnvSpec(family=name, difficulty=level + 1)
        for name in families()
        for level in range(HARDEST)
    ]
    n_plain = len(passed)
    seen = {behaviour_hash(spec) for spec in passed}
    failures: dict[str, int] = {}
    n_examined = 0
    while len(passed) < n_plain + n_specs:
        spec = mutate(rng.choice(passed), rng)
        if not rng.integer(8):
            spec = compose(rng.choice(passed), rng.choice(passed), rng)
        behaviour = behaviour_hash(spec)
        if behaviour in seen:
            continue
        seen.add(behaviour)
        n_examined += 1
        examination = examine(spec, seed + n_examined)
        for gate in examination.failures:
            failures[gate.name] = failures.get(gate.name, 0) + 1
        if examination.passed:
            passed.append(spec)
    seconds = time.process_time() - began
    return Built(tuple(passed[n_plain:]), n_examined, seconds, tuple(sorted(failures.items())))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Environments through the gates; auditors.")
    parser.add_argument("--specs", type=int, default=500)
    parser.add_argument("--plants", type=int, default=200)
    parser.add_argument("--sound", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

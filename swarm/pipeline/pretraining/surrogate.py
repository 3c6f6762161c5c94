"""What training would give, by formula: ``--fidelity surrogate``, for tests of the lab around it.

A surrogate checkpoint is a small JSON text that holds the score it would reach. The gains are round
figures of the size that real runs show (FACTS, section 4); nobody may quote a surrogate result.
"""

import math

import msgspec

from swarm.comms.messages.work import JobFailed
from swarm.kernel.rng import Stream
from swarm.pipeline.pretraining.spec import Architecture, Mixture, Optimizer, Train, Trained
from swarm.pipeline.workbench import Workbench

NOISE_BPB = 0.03
"""Standard deviation between seeds."""

_BASE_BPB = 4.4
_BEST_RATE = {"adamw": 0.006, "muon": 0.02}


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a surrogate artifact holds."""

    surrogate_bpb: float


def train(spec: Train, bench: Workbench) -> Trained | JobFailed:
    """Answers a training job by formula."""
    if problem := spec.problem():
        return JobFailed(kind="invalid", reason=problem)
    n_params = spec.architecture.n_params()
    if spec.max_params is not None and n_params > spec.max_params:
        return JobFailed(kind="limit", reason=f"{n_params} parameters, limit {spec.max_params}")
    if spec.optimizer.lr > 0.3:
        return JobFailed(kind="diverged", reason=f"rate {spec.optimizer.lr}", step=1)
    noise = Stream(seed=spec.seed, owner="surrogate", name=repr(spec)).normal()
    bpb = round(_expected(spec) + NOISE_BPB * noise, 6)
    artifact = bench.put_artifact(msgspec.json.encode(Checkpoint(surrogate_bpb=bpb)))
    return Trained(
        artifact=artifact,
        train_bpb=bpb,
        tokens=spec.tokens,
        steps=spec.n_steps,
        n_params=n_params,
    )


def _expected(spec: Train) -> float:
    budget = 0.15 * math.log2(max(1, spec.flops) / 64e9)
    return (
        _BASE_BPB
        - budget
        - _architecture(spec.architecture)
        - _optimizer(spec.optimizer)
        - _mixture(spec.mixture)
    )


def _architecture(value: Architecture) -> float:
    gain = 0.2 * (value.positions == "rope") + 0.4 * (value.qk_norm and value.zero_init)
    return gain + 0.05 * (value.norm == "rmsnorm") + 0.03 * (value.activation != "gelu")


def _optimizer(value: Optimizer) -> float:
    off = math.log2(value.lr / _BEST_RATE[value.name])
    return 0.3 * (value.name == "muon") - 0.1 * min(off * off, 9.0)


def _mixture(value: Mixture) -> float:
    total = sum(weight for _, weight in value.weights)
    code = sum(weight for name, weight in value.weights if name in ("code", "text")) / total
    return 0.5 * math.sqrt(code)

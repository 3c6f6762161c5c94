"""Carries out the jobs about environments; the same for both fidelities."""

from swarm.pipeline.posttraining.environments import attackers, gates
from swarm.pipeline.posttraining.environments.spec import Audit, AuditDone, Examine, Examined
from swarm.pipeline.workbench import Workbench


def examine(spec: Examine, _bench: Workbench) -> Examined:
    """Puts an environment through the gates."""
    found = gates.examine(spec.environment, spec.seed)
    return Examined(
        failures=tuple(f"{gate.name}: {gate.number:.4g}, {gate.reason}" for gate in found.failures)
    )


def audit(spec: Audit, _bench: Workbench) -> AuditDone:
    """Attacks an environment."""
    exploit = attackers.attack(spec.environment, spec.seed)
    if exploit is None:
        return AuditDone()
    return AuditDone(
        attacker=exploit.attacker,
        weak_score=exploit.weak_score,
        strict_score=exploit.strict_score,
        error_bound=exploit.error_bound,
    )

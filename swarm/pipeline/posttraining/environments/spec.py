"""Jobs about environments: examine one before it is sold or bought, and attack one.

They need no torch; both fidelities carry them out for real (``jobs.py``).
"""

from swarm.kernel.message import Message
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.units import Flops

EXAMINATION_FLOPS = Flops(1_000_000_000)
"""What examining or attacking an environment counts as: a tenth of a second of a core, about."""


class Examine(Message, frozen=True, kw_only=True, tag="posttraining.examine"):
    """Put an environment through the gates. Answered by ``Examined``."""

    environment: EnvSpec
    seed: int
    """Of the tasks: one that the builder could not know."""

    def cost(self) -> Flops:
        """Returns the nominal cost."""
        return EXAMINATION_FLOPS


class Examined(Message, frozen=True, kw_only=True, tag="posttraining.examined"):
    """Which gates were not passed, with reasons; none if it is sound as far as gates see."""

    failures: tuple[str, ...]


class Audit(Message, frozen=True, kw_only=True, tag="posttraining.audit"):
    """Attack an environment as a black box. Answered by ``AuditDone``."""

    environment: EnvSpec
    seed: int

    def cost(self) -> Flops:
        """Returns the nominal cost."""
        return EXAMINATION_FLOPS


class AuditDone(Message, frozen=True, kw_only=True, tag="posttraining.audit_done"):
    """The exploit that was demonstrated; ``attacker`` is empty if none was."""

    attacker: str = ""
    weak_score: float = 0.0
    strict_score: float = 0.0
    error_bound: float = 1.0
    """How probable such evidence is, at most, of a verifier without a fault."""

"""The market of environments: what is sold is audited, and what was exploited is called back.

builder --Published--> director              an environment is for sale, or was sold
director --AuditSought--> auditor            look for an exploit; demonstrated ones are paid
auditor --Audited--> director                what was found
director --CalledBack--> builders, buyers    nobody should use it any more

Buying itself is a contract net with the task ``build``.
"""

from swarm.comms.messages.ship import PartValue
from swarm.kernel.message import Message
from swarm.units import Credits

Environment = PartValue
"""An environment as canonical JSON text; the pipeline's specs say what is in it."""


class Published(Message, frozen=True, kw_only=True, tag="market.published"):
    """This environment is on the market."""

    environment: Environment


class AuditSought(Message, frozen=True, kw_only=True, tag="market.audit_sought"):
    """Attack this environment; a demonstrated exploit earns the bounty."""

    environment: Environment
    bounty: Credits


class Audited(Message, frozen=True, kw_only=True, tag="market.audited"):
    """What an audit found; ``attacker`` is empty where nothing was demonstrated."""

    environment: Environment
    attacker: str = ""
    weak_score: float = 0.0
    """What the environment's verifier pays for the attacker's answers, in [0, 1]."""
    strict_score: float = 0.0
    """What they are worth where only the true answer counts."""


class CalledBack(Message, frozen=True, kw_only=True, tag="market.called_back"):
    """An exploit of this environment was demonstrated."""

    environment: Environment
    reason: str

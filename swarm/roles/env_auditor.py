"""EnvAuditor: attacks environments that are sold, and is paid for exploits that it demonstrates.

Protocol  ``comms/messages/market.py``.
States    none: audits run side by side.
Asks      jobs ``posttraining.audit``; attackers see tasks and scores, never how a verifier is made.
Raises    nothing: an environment that cannot be read is reported as such, in a note.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import finding, market, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import WireError
from swarm.kernel.message import ActorId, MessageId
from swarm.kernel.role import Context
from swarm.pipeline.posttraining.environments.spec import Audit, AuditDone
from swarm.pipeline.values import read_environment
from swarm.units import Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | market.AuditSought | money.Credited | AuditDone | work.JobFailed
)  # fmt: skip


class EnvAuditorState(msgspec.Struct):
    """Audits under way, by what ``ctx.run`` returned."""

    running: dict[MessageId, market.Environment] = {}


class EnvAuditor:
    """Looks for exploits.

    Args:
        director: Who hears what was found.
        takes: How long an audit takes.
    """

    def __init__(self, *, director: ActorId, takes: Ticks) -> None:
        self._director = director
        self._takes = takes
        self.state = EnvAuditorState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case market.AuditSought():
                self._begin(message, ctx)
            case AuditDone() | work.JobFailed():
                self._report(message, ctx)
            case (
                work.Start() | need.Announced() | ship.Announced() | money.Credited()
                | finding.Trial() | finding.Reviewed()
            ):  # fmt: skip
                pass  # it is told what to look at
            case _:
                assert_never(message)

    def _begin(self, sought: market.AuditSought, ctx: Context) -> None:
        try:
            environment = read_environment(sought.environment)
        except WireError as wrong:
            ctx.note(f"cannot audit what cannot be read: {wrong}")
            return
        job = Audit(environment=environment, seed=ctx.rng("audits").integer(2**31))
        self.state.running[ctx.run(job, takes=self._takes)] = sought.environment

    def _report(self, result: AuditDone | work.JobFailed, ctx: Context) -> None:
        environment = self.state.running.pop(ctx.cause)
        if isinstance(result, work.JobFailed):
            ctx.note(f"audit failed: {result.kind}: {result.reason}")
            return
        found = result.attacker or "no exploit"
        ctx.note(
            f"{found} on {environment}: pays {result.weak_score:.2f}, worth"
            f" {result.strict_score:.2f}"
        )
        audited = market.Audited(
            environment=environment,
            attacker=result.attacker,
            weak_score=result.weak_score,
            strict_score=result.strict_score,
        )
        ctx.tell(self._director, audited)

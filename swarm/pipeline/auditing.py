"""Auditing the market of environments, from the director's side.

What is published is audited once, by an auditor drawn from all. A demonstrated exploit is paid
while there is money for bounties, and the environment is called back.
"""

from collections.abc import Sequence

import msgspec

from swarm.comms.messages import market
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.units import Credits


class Audits(msgspec.Struct):
    """What has been looked at, and what is left for bounties."""

    left: Credits
    published: list[market.Environment] = []
    called_back: list[market.Environment] = []


def on_published(
    ctx: Context,
    audits: Audits,
    published: market.Published,
    *,
    auditors: Sequence[ActorId],
    bounty: Credits,
) -> None:
    """Has an environment audited, if nobody has looked at it."""
    if published.environment in audits.published or not auditors:
        return
    audits.published.append(published.environment)
    sought = market.AuditSought(environment=published.environment, bounty=bounty)
    ctx.tell(ctx.rng("audits").choice(auditors), sought)


def on_audited(
    ctx: Context,
    audits: Audits,
    audited: market.Audited,
    *,
    treasury: ActorId,
    concerned: Sequence[ActorId],
    bounty: Credits,
) -> None:
    """Pays for an exploit, and calls the environment back."""
    if not audited.attacker or audited.environment in audits.called_back:
        return
    audits.called_back.append(audited.environment)
    reason = (
        f"{audited.attacker} earns {audited.weak_score:.2f} with answers worth"
        f" {audited.strict_score:.2f}"
    )
    if bounty <= audits.left:
        audits.left = Credits(audits.left - bounty)
        ctx.tell(treasury, money.Grant(to=ctx.sender, amount=bounty, reason=f"exploit: {reason}"))
    ctx.tell_all(concerned, market.CalledBack(environment=audited.environment, reason=reason))
    ctx.note(f"called back {audited.environment}: {reason}")

"""Rounds: what a mechanism decides, carried out on a pool."""

from dataclasses import dataclass, field
from functools import cached_property

from swarm.errors import InvariantError
from swarm.gpu.leases import Lease, Request
from swarm.gpu.mechanism import Mechanism
from swarm.gpu.patience import Patient
from swarm.gpu.placement import Placement
from swarm.gpu.pool import NO_TIME, Pool
from swarm.gpu.standings import Preemptive
from swarm.kernel.message import ContractId
from swarm.units import Ticks


@dataclass(frozen=True, kw_only=True)
class Preemption:
    """What it means to be stopped.

    The holder is told ``notice`` ticks beforehand and works on until then; ``cost`` ticks are added
    to what it has left: writing the checkpoint, reading it back, repeating what it did not hold.
    """

    notice: Ticks = NO_TIME
    cost: Ticks = NO_TIME


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a pool is allocated."""

    mechanism: Mechanism
    placement: Placement
    preemption: Preemption | None = None
    """None: who has begun is left alone, whatever the mechanism would do."""

    @cached_property
    def preempts(self) -> Preemptive | None:
        """The mechanism, if it may stop leases."""
        return preemptive(self.mechanism) if self.preemption is not None else None


@dataclass(kw_only=True)
class Result:
    """What a round came to."""

    granted: list[Lease] = field(default_factory=list)
    preempted: list[tuple[Lease, Request]] = field(default_factory=list)
    """Who was stopped, and what went back into the queue."""
    noticed: list[Lease] = field(default_factory=list)
    """Who will be stopped."""
    again_at: Ticks | None = None
    """When to hold another round even if nothing has come or gone."""


def play_round(pool: Pool, rules: Rules, now: Ticks, *, is_begun: bool) -> Result:
    """Asks the mechanism and does what it says, until it has said all.

    Args:
        pool: What is changed.
        rules: How.
        now: The virtual time.
        is_begun: Whether leases begin at once, or are held until they are paid.
    """
    result = Result()
    preempts = rules.preempts
    has_notice = rules.preemption is not None and rules.preemption.notice > 0
    while True:
        line = pool.line(rules.mechanism)
        view = pool.view(rules.placement, preempts=preempts, has_notice=has_notice, now=now)
        decided = rules.mechanism.allocate(line, view, now)
        for contract in decided.stops:
            _stop(pool, contract, rules.preemption, now, result)
        result.granted += [pool.grant(one, now, is_begun=is_begun) for one in decided.awards]
        if not (decided.is_partial and decided.awards):
            result.again_at = decided.again_at
            return result


def preemptive(mechanism: Mechanism) -> Preemptive | None:
    """Returns the mechanism if it stops leases, None if it never does."""
    rule = mechanism.mechanism if isinstance(mechanism, Patient) else mechanism
    return rule if isinstance(rule, Preemptive) else None


def stop_due(pool: Pool, contract: ContractId, cost: Ticks, now: Ticks) -> tuple[Lease, Request]:
    """Preempts a lease whose notice is over."""
    lease = pool.leases[contract]
    return lease, pool.preempt(contract, now, cost=cost)


def _stop(
    pool: Pool, contract: ContractId, preemption: Preemption | None, now: Ticks, result: Result
) -> None:
    if preemption is None:
        raise InvariantError(
            rule="only pools that preempt stop leases", expected="no stops", came=contract
        )
    if preemption.notice:
        result.noticed.append(pool.give_notice(contract, Ticks(now + preemption.notice)))
    else:
        result.preempted.append(stop_due(pool, contract, preemption.cost, now))

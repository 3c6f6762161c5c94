"""GpuBroker: leases the GPUs of one pool in rounds, by a mechanism.

Protocol  ``comms/messages/lease.py``, broker's side; ``treasury.Charge`` for each award.
States    a request waits -> is awarded and held while the price is collected -> is leased -> ends.
          Rounds happen at multiples of ``round_every``, and only while something waits.
Asks      nobody.
Raises    ``InvariantError`` if GPUs or GPU-ticks are not conserved, checked after every message.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import lease, need, ops, ship, work
from swarm.comms.messages import treasury as money
from swarm.gpu.devices import Cluster
from swarm.gpu.leases import Request
from swarm.gpu.mechanism import Mechanism
from swarm.gpu.placement import Placement
from swarm.gpu.pool import Pool, open_pool
from swarm.gpu.reasons import refusal, why_pending
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import Credits, Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced
    | lease.Request | lease.Release | lease.RoundDue | lease.ExpiryDue
    | money.Charged | money.Denied | money.Credited
)  # fmt: skip


class GpuBrokerState(msgspec.Struct):
    """The pool, and what the broker must not forget between messages."""

    pool: Pool
    is_round_set: bool = False
    n_incidents: int = 0
    withdrawn: list[ContractId] = []
    """Held leases whose holder gave up before the price came in."""


class GpuBroker:
    """Runs one pool.

    Args:
        cluster: The GPUs.
        reserve: Least price in micro-credits per GPU-tick.
        mechanism: Who gets what.
        placement: On which nodes.
        round_every: Ticks between rounds.
        treasury: Who collects prices.
        devops: Those on duty, who hear of failed jobs in turn.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        reserve: Credits,
        mechanism: Mechanism,
        placement: Placement,
        round_every: Ticks,
        treasury: ActorId,
        devops: tuple[ActorId, ...],
    ) -> None:
        self._mechanism = mechanism
        self._placement = placement
        self._round_every = round_every
        self._treasury = treasury
        self._devops = devops
        self.state = GpuBrokerState(pool=open_pool(cluster, reserve=reserve, now=Ticks(0)))

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case work.Start() | need.Announced() | ship.Announced() | money.Credited():
                return
            case lease.Request():
                self._submit(message, ctx)
            case lease.Release():
                self._release(message, ctx)
            case lease.RoundDue():
                self.state.is_round_set = False
                self._round(ctx)
            case lease.ExpiryDue():
                self._expire(message.contract, ctx)
            case money.Charged():
                self._begin(message.contract, ctx)
            case money.Denied():
                self._give_up(message, ctx)
            case _:
                assert_never(message)
        self.state.pool.audit(ctx.now)

    def _submit(self, order: lease.Request, ctx: Context) -> None:
        request = Request(
            contract=order.contract,
            holder=ctx.sender,
            gpus=order.gpus,
            duration=order.duration,
            bid=order.bid,
            submitted_at=ctx.now,
        )
        reason = refusal(request, self.state.pool, placement=self._placement)
        if reason is not None:
            ctx.tell(ctx.sender, lease.Refused(contract=order.contract, reason=reason))
            return
        self.state.pool.submit(request)
        self._set_round(ctx)

    def _round(self, ctx: Context) -> None:
        pool = self.state.pool
        view = pool.view(self._placement)
        for award in self._mechanism.allocate(pool.queue, view, ctx.now):
            pool.grant(award, ctx.now, is_begun=False)
            request = award.request
            charge = money.Charge(
                contract=request.contract, payer=request.holder, amount=award.payment
            )
            ctx.tell(self._treasury, charge)
        for request in pool.queue:
            why = why_pending(request, pool, ctx.now, placement=self._placement)
            ctx.tell(request.holder, lease.Pending(contract=request.contract, why=why))
        self._set_round(ctx)

    def _begin(self, contract: ContractId, ctx: Context) -> None:
        begun = self.state.pool.begin(contract, ctx.now)
        if contract in self.state.withdrawn:
            self.state.withdrawn.remove(contract)
            self.state.pool.release(contract, ctx.now)
            return
        granted = lease.Granted(
            contract=contract,
            gpus=begun.device_names(self.state.pool.cluster),
            ends_at=begun.ends_at,
            price=begun.price,
        )
        ctx.tell(begun.holder, granted)
        ctx.after(Ticks(begun.ends_at - ctx.now), lease.ExpiryDue(contract=contract))

    def _give_up(self, denied: money.Denied, ctx: Context) -> None:
        held = self.state.pool.release(denied.contract, ctx.now)
        if denied.contract in self.state.withdrawn:
            self.state.withdrawn.remove(denied.contract)
        reason = f"the price is {denied.amount} and the account holds {denied.balance}"
        ctx.tell(held.holder, lease.Refused(contract=denied.contract, reason=reason))
        self._set_round(ctx)

    def _release(self, release: lease.Release, ctx: Context) -> None:
        pool, contract = self.state.pool, release.contract
        waiting = pool.waiting.get(contract)
        if waiting is not None and waiting.holder == ctx.sender:
            pool.withdraw(contract)
            return
        held = pool.leases.get(contract)
        if held is None or held.holder != ctx.sender:
            ctx.note(f"{ctx.sender} released {contract}, which it does not hold")
            return
        if not held.is_begun:
            self.state.withdrawn.append(contract)
            return
        pool.release(contract, ctx.now)
        self._report(held.device_names(pool.cluster), release, ctx)
        self._set_round(ctx)

    def _report(self, gpus: tuple[str, ...], release: lease.Release, ctx: Context) -> None:
        if not release.failures or not self._devops:
            return
        on_duty = self._devops[self.state.n_incidents % len(self._devops)]
        self.state.n_incidents += 1
        incident = ops.Incident(
            contract=release.contract, holder=ctx.sender, gpus=gpus, failures=release.failures
        )
        ctx.tell(on_duty, incident)

    def _expire(self, contract: ContractId, ctx: Context) -> None:
        held = self.state.pool.leases.get(contract)
        if held is None or held.ends_at > ctx.now:  # released early, or a later lease of that id
            return
        self.state.pool.release(contract, ctx.now)
        ctx.tell(held.holder, lease.Ended(contract=contract))
        self._set_round(ctx)

    def _set_round(self, ctx: Context) -> None:
        if not self.state.is_round_set and self.state.pool.waiting:
            self.state.is_round_set = True
            every = self._round_every
            ctx.after(Ticks(every - ctx.now % every), lease.RoundDue())

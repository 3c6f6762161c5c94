"""Brokerage: what becomes of a lease from its award to its end, told to those concerned."""

from dataclasses import dataclass
from functools import cached_property

import msgspec

from swarm.comms.messages import lease, ops
from swarm.comms.messages import treasury as money
from swarm.errors import ProtocolError
from swarm.gpu.desk import OnDesk
from swarm.gpu.devices import Cluster
from swarm.gpu.leases import Lease, Request
from swarm.gpu.pool import NO_TIME, Pool
from swarm.gpu.reasons import no_renewal
from swarm.gpu.rounds import Rules, stop_due
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import Credits, Ticks


class Renewal(msgspec.Struct, frozen=True):
    """A renewal whose price is being collected."""

    holder: ActorId
    duration: Ticks


class GpuBrokerState(msgspec.Struct):
    """The pool, and what the broker must not forget between messages."""

    pool: Pool
    desk: list[OnDesk] = []
    is_desk_set: bool = False
    """Whether ``DeskDue`` is under way."""
    is_round_set: bool = False
    withdrawn: dict[ContractId, ActorId] = {}
    """Holders by contract that gave up while the price was being collected."""
    n_incidents: int = 0
    reported: dict[ContractId, ActorId] = {}
    """Holders by contract that wait for advice."""
    renewals: dict[ContractId, Renewal] = {}
    has_changed: bool = False
    """Whether something came, ended or fell due since the last round."""
    wakes_at: Ticks | None = None
    """When the mechanism wants to look again, whatever happens."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What never changes about a broker."""

    cluster: Cluster
    rules: Rules
    treasury: ActorId | None
    """Who collects prices; None if nobody does."""
    devops: tuple[ActorId, ...]
    """Those on duty."""

    @cached_property
    def nodes(self) -> dict[str, int]:
        """Node ids by name."""
        return {node.name: number for number, node in enumerate(self.cluster.nodes)}


class Brokerage:
    """Carries leases through, while one message is handled."""

    def __init__(self, state: GpuBrokerState, terms: Terms, ctx: Context) -> None:
        self._state, self._terms, self._ctx = state, terms, ctx

    def award(self, granted: Lease) -> None:
        """Collects the price of a lease that is held, or hands it over if it has begun."""
        if granted.is_begun:
            self._hand_over(granted)
        else:
            self._charge(granted.contract, granted.holder, granted.price)

    def charged(self, charged: money.Charged) -> None:
        """Hands over what is paid for, or gives back what was paid for nothing."""
        state, contract = self._state, charged.contract
        gone = state.withdrawn.pop(contract, None)
        renewal = state.renewals.pop(contract, None)
        if gone is not None:
            self._refund(contract, gone, charged.amount)
        elif renewal is not None:
            self._prolong(contract, renewal, charged.amount)
        else:
            self._expect_held(charged)
            self._hand_over(state.pool.begin(contract, self._ctx.now))

    def denied(self, denied: money.Denied) -> None:
        """Takes back what cannot be paid for."""
        state, contract, ctx = self._state, denied.contract, self._ctx
        if state.withdrawn.pop(contract, None) is not None:
            return
        renewal = state.renewals.pop(contract, None)
        if renewal is not None:
            reason = f"its price is {denied.amount} micro-credits, and you have {denied.balance}"
            ctx.tell(renewal.holder, lease.NotRenewed(contract=contract, reason=reason))
            return
        self._expect_held(denied)
        held = state.pool.release(contract, ctx.now)
        state.has_changed = True
        reason = (
            f"the price of {contract} is {denied.amount} micro-credits,"
            f" and {held.holder} has {denied.balance}; bid what you have"
        )
        ctx.tell(held.holder, lease.Refused(contract=contract, reason=reason))

    def renew(self, renew: lease.Renew, sender: ActorId) -> None:
        """Prolongs a lease for the reserve price, unless somebody waits."""
        pool, contract = self._state.pool, renew.contract
        reason = no_renewal(pool, contract, sender, duration=renew.duration, bid=renew.bid)
        if contract in self._state.renewals:
            reason = f"{contract} is being renewed already"
        if reason is not None:
            self._ctx.tell(sender, lease.NotRenewed(contract=contract, reason=reason))
            return
        request = msgspec.structs.replace(pool.leases[contract].request, duration=renew.duration)
        price = pool.view(self._terms.rules.placement).reserve_price(request)
        renewal = Renewal(sender, renew.duration)
        if self._terms.treasury is None:
            self._prolong(contract, renewal, price)
        else:
            self._state.renewals[contract] = renewal
            self._charge(contract, sender, price)

    def change_node(self, news: lease.NodeLost | lease.NodeBack, sender: ActorId) -> None:
        """Takes a node away, with every gang on it, or brings it back."""
        state, ctx = self._state, self._ctx
        node = self._terms.nodes.get(news.node)
        if sender not in self._terms.devops or node is None:
            what = f"on duty {self._terms.devops}, told by {sender}"
            raise ProtocolError(role="GpuBroker", state=what, message=news)
        state.has_changed = True
        if isinstance(news, lease.NodeBack):
            state.pool.restore(node, ctx.now)
            return
        for torn in state.pool.lose(node, ctx.now):
            left = torn.ends_at - max(ctx.now, torn.starts_at)
            if torn.is_begun:
                unused = torn.price * left // (torn.ends_at - torn.starts_at)
                self._refund(torn.contract, torn.holder, Credits(unused))
            else:
                state.withdrawn[torn.contract] = torn.holder
            message = lease.Torn(contract=torn.contract, node=news.node, left=Ticks(left))
            ctx.tell(torn.holder, message)

    def release(self, release: lease.Release, sender: ActorId) -> None:
        """Ends a lease early, or takes a request out of the queue."""
        state, contract, ctx = self._state, release.contract, self._ctx
        theirs = state.pool.waiting.get(contract) or state.pool.leases.get(contract)
        if theirs is None:
            ctx.note(f"{contract}: release by {sender} ignored, the lease is over")
            return
        if theirs.holder != sender:
            what = f"{contract} of {theirs.holder}, told by {sender}"
            raise ProtocolError(role="GpuBroker", state=what, message=release)
        state.has_changed = True
        if isinstance(theirs, Request):
            state.pool.withdraw(contract)
            return
        state.pool.release(contract, ctx.now)
        if not theirs.is_begun:
            state.withdrawn[contract] = sender
        if release.failures:
            self._report(theirs, release.failures)

    def pass_on(self, advice: ops.Advice) -> None:
        """Tells the holder what the one on duty says."""
        holder = self._state.reported.pop(advice.contract, None)
        if holder is None:
            self._ctx.note(f"{advice.contract}: nobody waits for the advice of {self._ctx.sender}")
        else:
            self._ctx.tell(holder, advice)

    def expire(self, contract: ContractId) -> None:
        """Ends a lease whose time is over, if it has not been released before."""
        state, ctx = self._state, self._ctx
        held = state.pool.leases.get(contract)
        if held is not None and held.is_begun and held.ends_at <= ctx.now:
            state.pool.release(contract, ctx.now)
            state.has_changed = True
            ctx.tell(held.holder, lease.Ended(contract=contract))

    def give_notice(self, held: Lease) -> None:
        """Tells a holder when it will be preempted."""
        stops_at = Ticks(held.stops_at or self._ctx.now)
        self._ctx.tell(held.holder, lease.Notice(contract=held.contract, stops_at=stops_at))
        self._ctx.after(Ticks(stops_at - self._ctx.now), lease.StopDue(contract=held.contract))

    def stop(self, contract: ContractId) -> None:
        """Preempts a lease whose notice is over, if it has not ended before."""
        state, ctx = self._state, self._ctx
        held = state.pool.leases.get(contract)
        if held is None or held.stops_at is None or held.stops_at > ctx.now:
            return
        if held.ends_at <= ctx.now:
            self.expire(contract)
            return
        preemption = self._terms.rules.preemption
        cost = preemption.cost if preemption is not None else NO_TIME
        self.preempted(*stop_due(state.pool, contract, cost, ctx.now))
        state.has_changed = True

    def preempted(self, over: Lease, rest: Request) -> None:
        """Tells a holder that it has been preempted."""
        preempted = lease.Preempted(contract=over.contract, left=rest.duration)
        self._ctx.tell(over.holder, preempted)

    def _charge(self, contract: ContractId, payer: ActorId, amount: Credits) -> None:
        if self._terms.treasury is not None:
            charge = money.Charge(contract=contract, payer=payer, amount=amount)
            self._ctx.tell(self._terms.treasury, charge)

    def _refund(self, contract: ContractId, to: ActorId, amount: Credits) -> None:
        if self._terms.treasury is not None:
            refund = money.Refund(contract=contract, to=to, amount=amount)
            self._ctx.tell(self._terms.treasury, refund)

    def _hand_over(self, begun: Lease) -> None:
        granted = lease.Granted(
            contract=begun.contract,
            gpus=begun.device_names(self._terms.cluster),
            ends_at=begun.ends_at,
            price=begun.price,
        )
        self._ctx.tell(begun.holder, granted)
        self._set_expiry(begun)

    def _set_expiry(self, begun: Lease) -> None:
        due = lease.ExpiryDue(contract=begun.contract)
        self._ctx.after(Ticks(begun.ends_at - self._ctx.now), due)

    def _prolong(self, contract: ContractId, renewal: Renewal, price: Credits) -> None:
        held = self._state.pool.leases.get(contract)
        if held is None or held.stops_at is not None:  # it ended while the price was collected
            self._refund(contract, renewal.holder, price)
            reason = f"{contract} ended before the price of its renewal was in"
            self._ctx.tell(renewal.holder, lease.NotRenewed(contract=contract, reason=reason))
            return
        longer = self._state.pool.renew(contract, duration=renewal.duration, price=price)
        renewed = lease.Renewed(contract=contract, ends_at=longer.ends_at, price=price)
        self._ctx.tell(renewal.holder, renewed)
        self._set_expiry(longer)

    def _report(self, ended: Lease, failures: tuple[str, ...]) -> None:
        state, devops = self._state, self._terms.devops
        if not devops:
            self._ctx.note(f"{ended.contract}: nobody is on duty for {failures[0]}")
            return
        on_duty = devops[state.n_incidents % len(devops)]
        state.n_incidents += 1
        state.reported[ended.contract] = ended.holder
        incident = ops.Incident(
            contract=ended.contract,
            holder=ended.holder,
            gpus=ended.device_names(self._terms.cluster),
            failures=failures,
        )
        self._ctx.tell(on_duty, incident)

    def _expect_held(self, answer: money.Charged | money.Denied) -> None:
        held = self._state.pool.leases.get(answer.contract)
        if held is None or held.is_begun:
            what = f"{answer.contract} not held"
            raise ProtocolError(role="GpuBroker", state=what, message=answer)

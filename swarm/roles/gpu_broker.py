"""GpuBroker: leases the GPUs of one pool, by a mechanism.

Protocol  ``comms/messages/lease.py``, broker's side; ``treasury.Charge`` for each award and each
          renewal, if there is a treasury; reports what failed on a lease to those on duty in turn,
          and passes their advice on (``comms/messages/ops.py``).
States    a request waits -> is awarded and held while the price is collected -> is leased -> ends.
          Without a treasury it is leased at once. A holder that releases while it is held pays
          nothing. Who is preempted waits again. What arrives lies on the desk until the next timer,
          and is then dealt with in an order of its own: so nothing depends on the order of arrival.
          Rounds happen at multiples of ``round_every``, and only while something waits; the desk is
          cleared a tick after something came. If ``round_every`` is 0 everything happens at the
          instant itself, in this order: requests come in, what ended is released, a round is held
          if anything has changed.
Asks      nobody.
Raises    ``InvariantError`` if GPUs or GPU-ticks are not conserved, checked after every message in
          small pools, every so often in large ones; ``ProtocolError`` for a release by another than
          the holder, for an answer of the treasury to no question, and for news of a node by
          somebody not on duty. A release that comes late is noted.
"""

from typing import TypeAlias, assert_never

from swarm.comms.messages import finding, lease, need, ops, ship, work
from swarm.comms.messages import treasury as money
from swarm.gpu.brokerage import Brokerage, GpuBrokerState, Terms
from swarm.gpu.desk import OnDesk, Paper, turn
from swarm.gpu.devices import Cluster
from swarm.gpu.leases import Request
from swarm.gpu.mechanism import Mechanism
from swarm.gpu.placement import Placement
from swarm.gpu.pool import NO_TIME, open_pool
from swarm.gpu.reasons import refusal, why_pending
from swarm.gpu.rounds import Preemption, Rules, play_round
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import Credits, Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | money.Credited | Paper | ops.Advice
    | lease.DeskDue | lease.RoundDue | lease.ExpiryDue | lease.StopDue
)  # fmt: skip
Timer: TypeAlias = lease.RoundDue | lease.ExpiryDue | lease.StopDue


class GpuBroker:
    """Runs one pool.

    Args:
        cluster: The GPUs.
        reserve: Least price in micro-credits per GPU-tick.
        mechanism: Who gets what.
        placement: On which nodes.
        round_every: Ticks between rounds; 0 for one whenever something changes.
        treasury: Who collects prices; None if nobody does, and leases begin at once.
        devops: Those on duty, who hear of failed jobs in turn.
        preemption: What being stopped means; None if nobody is.
        explains: Whether everybody is told after each round why they wait; ``Why`` asks anyway.
        opens_at: From when on GPU time is offered.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        reserve: Credits,
        mechanism: Mechanism,
        placement: Placement,
        round_every: Ticks,
        treasury: ActorId | None,
        devops: tuple[ActorId, ...],
        preemption: Preemption | None = None,
        explains: bool = True,
        opens_at: Ticks = NO_TIME,
    ) -> None:
        self._rules = Rules(mechanism=mechanism, placement=placement, preemption=preemption)
        self._terms = Terms(cluster=cluster, rules=self._rules, treasury=treasury, devops=devops)
        self._round_every = round_every
        self._explains = explains
        self.state = GpuBrokerState(pool=open_pool(cluster, reserve=reserve, now=opens_at))

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the states."""
        match message:
            case (
                work.Start() | need.Announced() | ship.Announced()
                | finding.Trial() | finding.Reviewed() | money.Credited()
            ):  # fmt: skip
                return
            case (
                lease.Request() | lease.Release() | money.Charged() | money.Denied()
                | lease.Renew() | lease.NodeLost() | lease.NodeBack() | lease.Why()
            ):  # fmt: skip
                self._lay_down(message, ctx)
            case lease.DeskDue():
                self.state.is_desk_set = False
                self._turn_to(None, ctx)
            case lease.RoundDue() | lease.ExpiryDue() | lease.StopDue():
                self._turn_to(message, ctx)
            case ops.Advice():
                Brokerage(self.state, self._terms, ctx).pass_on(message)
            case _:
                assert_never(message)
        self.state.pool.check(ctx.now)

    def _lay_down(self, paper: Paper, ctx: Context) -> None:
        self.state.desk.append(OnDesk(ctx.now, ctx.sender, paper))
        if not self.state.is_desk_set:
            self.state.is_desk_set = True
            ctx.after(Ticks(1 if self._round_every else 0), lease.DeskDue())
        if self._round_every and isinstance(paper, lease.Request):
            self._set_round(ctx)

    def _turn_to(self, timer: Timer | None, ctx: Context) -> None:
        """Deals with the desk, with what has ended, and with a round if it is time for one."""
        state = self.state
        leases = Brokerage(state, self._terms, ctx)
        papers, state.desk = sorted(state.desk, key=turn), []
        for one in papers:
            self._deal_with(one, leases, ctx)
        if isinstance(timer, lease.ExpiryDue):
            leases.expire(timer.contract)
        if isinstance(timer, lease.StopDue):
            leases.stop(timer.contract)
        if self._round_every:
            if isinstance(timer, lease.RoundDue):
                state.is_round_set = False
                self._round(leases, ctx)
                if state.pool.waiting:
                    self._set_round(ctx)
            return
        for over in state.pool.expired(ctx.now):  # of this instant, their timers yet to come
            leases.expire(over.contract)
        if state.wakes_at is not None and state.wakes_at <= ctx.now:
            state.wakes_at, state.has_changed = None, True
        if state.has_changed:
            self._round(leases, ctx)

    def _deal_with(self, one: OnDesk, leases: Brokerage, ctx: Context) -> None:
        match one.paper:
            case lease.Request():
                self._submit(one.paper, one, ctx)
            case lease.Release():
                leases.release(one.paper, one.sender)
            case money.Charged():
                leases.charged(one.paper)
            case money.Denied():
                leases.denied(one.paper)
            case lease.Renew():
                leases.renew(one.paper, one.sender)
            case lease.NodeLost() | lease.NodeBack():
                leases.change_node(one.paper, one.sender)
            case lease.Why():
                self._explain(one.paper.contract, one.sender, ctx)
            case _:
                assert_never(one.paper)

    def _submit(self, order: lease.Request, one: OnDesk, ctx: Context) -> None:
        request = Request(
            contract=order.contract,
            holder=one.sender,
            gpus=order.gpus,
            duration=order.duration,
            bid=order.bid,
            submitted_at=one.at,
            milli=order.milli,
        )
        rules, pool = self._rules, self.state.pool
        is_sharing = rules.preemption is None
        reason = refusal(request, pool, placement=rules.placement, is_sharing=is_sharing)
        if reason is None:
            pool.submit(request)
            self.state.has_changed = True
        else:
            ctx.tell(one.sender, lease.Refused(contract=order.contract, reason=reason))

    def _round(self, leases: Brokerage, ctx: Context) -> None:
        pool, state = self.state.pool, self.state
        state.has_changed = False
        result = play_round(pool, self._rules, ctx.now, is_begun=self._terms.treasury is None)
        for over, rest in result.preempted:
            leases.preempted(over, rest)
        for held in result.noticed:
            leases.give_notice(held)
        for granted in result.granted:
            leases.award(granted)
        if self._explains:
            for request in pool.queue:
                why = why_pending(request, pool, ctx.now, placement=self._rules.placement)
                ctx.tell(request.holder, lease.Pending(contract=request.contract, why=why))
        if result.again_at is not None and not self._round_every:
            self._wake(result.again_at, ctx)

    def _wake(self, at: Ticks, ctx: Context) -> None:
        if self.state.wakes_at is None or at < self.state.wakes_at:
            self.state.wakes_at = at
            ctx.after(Ticks(at - ctx.now), lease.RoundDue())

    def _explain(self, contract: ContractId, sender: ActorId, ctx: Context) -> None:
        pool = self.state.pool
        request = pool.waiting.get(contract)
        if request is not None:
            why = why_pending(request, pool, ctx.now, placement=self._rules.placement)
        elif contract in pool.leases:
            why = f"{contract} does not wait: it is leased until {pool.leases[contract].ends_at}"
        else:
            why = f"{contract} does not wait here; submit a request"
        ctx.tell(sender, lease.Pending(contract=contract, why=why))

    def _set_round(self, ctx: Context) -> None:
        if not self.state.is_round_set:
            self.state.is_round_set = True
            every = self._round_every
            ctx.after(Ticks(every - ctx.now % every), lease.RoundDue())

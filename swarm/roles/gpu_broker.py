"""GpuBroker: leases the GPUs of one pool in rounds, by a mechanism.

Protocol  ``comms/messages/lease.py``, broker's side; ``treasury.Charge`` for each award; reports
          what failed on a lease to those on duty in turn, and passes their advice on
          (``comms/messages/ops.py``).
States    a request waits -> is awarded and held while the price is collected -> is leased -> ends.
          A holder that releases while it is held pays nothing. What arrives lies on the desk until
          the next timer, at the latest one tick, and is then dealt with in an order of its own:
          requests, releases, answers of the treasury, each by contract. So nothing depends on the
          order of arrival. Rounds happen at multiples of ``round_every``, and only while something
          waits.
Asks      nobody.
Raises    ``InvariantError`` if GPUs or GPU-ticks are not conserved, checked after every message;
          ``ProtocolError`` for a release by another than the holder, and for an answer of the
          treasury to no question. A release that comes late is noted.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import finding, lease, need, ops, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import ProtocolError
from swarm.gpu.devices import Cluster
from swarm.gpu.leases import Lease, Request
from swarm.gpu.mechanism import Mechanism
from swarm.gpu.placement import Placement
from swarm.gpu.pool import Pool, open_pool
from swarm.gpu.reasons import refusal, why_pending
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import Credits, Ticks

Paper: TypeAlias = lease.Request | lease.Release | money.Charged | money.Denied
Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | money.Credited | Paper | ops.Advice
    | lease.DeskDue | lease.RoundDue | lease.ExpiryDue
)  # fmt: skip


class OnDesk(msgspec.Struct, frozen=True):
    """Something that came and has yet to be dealt with."""

    at: Ticks
    sender: ActorId
    paper: Paper


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
        """React to one message; the module docstring has the states."""
        match message:
            case (
                work.Start() | need.Announced() | ship.Announced()
                | finding.Trial() | finding.Reviewed() | money.Credited()
            ):  # fmt: skip
                return
            case lease.Request() | lease.Release() | money.Charged() | money.Denied():
                self._lay_down(message, ctx)
            case lease.DeskDue():
                self.state.is_desk_set = False
                self._clear_desk(ctx)
            case lease.RoundDue():
                self._clear_desk(ctx)
                self.state.is_round_set = False
                self._round(ctx)
            case lease.ExpiryDue():
                self._clear_desk(ctx)
                self._expire(message.contract, ctx)
            case ops.Advice():
                self._pass_on(message, ctx)
            case _:
                assert_never(message)
        self.state.pool.audit(ctx.now)

    def _lay_down(self, paper: Paper, ctx: Context) -> None:
        self.state.desk.append(OnDesk(ctx.now, ctx.sender, paper))
        if not self.state.is_desk_set:
            self.state.is_desk_set = True
            ctx.after(Ticks(1), lease.DeskDue())
        if isinstance(paper, lease.Request):
            self._set_round(ctx)

    def _clear_desk(self, ctx: Context) -> None:
        papers, self.state.desk = sorted(self.state.desk, key=_turn), []
        for one in papers:
            match one.paper:
                case lease.Request():
                    self._submit(one.paper, one, ctx)
                case lease.Release():
                    self._release(one.paper, one.sender, ctx)
                case money.Charged():
                    self._begin(one.paper, ctx)
                case money.Denied():
                    self._give_up(one.paper, ctx)
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
        )
        reason = refusal(request, self.state.pool, placement=self._placement)
        if reason is None:
            self.state.pool.submit(request)
        else:
            ctx.tell(one.sender, lease.Refused(contract=order.contract, reason=reason))

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
        if pool.waiting:
            self._set_round(ctx)

    def _begin(self, charged: money.Charged, ctx: Context) -> None:
        pool, contract = self.state.pool, charged.contract
        gone = self.state.withdrawn.pop(contract, None)
        if gone is not None:
            refund = money.Refund(contract=contract, to=gone, amount=charged.amount)
            ctx.tell(self._treasury, refund)
            return
        self._expect_held(charged)
        begun = pool.begin(contract, ctx.now)
        gpus = begun.device_names(pool.cluster)
        granted = lease.Granted(
            contract=contract, gpus=gpus, ends_at=begun.ends_at, price=begun.price
        )
        ctx.tell(begun.holder, granted)
        ctx.after(Ticks(begun.ends_at - ctx.now), lease.ExpiryDue(contract=contract))

    def _give_up(self, denied: money.Denied, ctx: Context) -> None:
        if self.state.withdrawn.pop(denied.contract, None) is not None:
            return
        self._expect_held(denied)
        held = self.state.pool.release(denied.contract, ctx.now)
        reason = (
            f"the price of {denied.contract} is {denied.amount} micro-credits,"
            f" and {held.holder} has {denied.balance}; bid what you have"
        )
        ctx.tell(held.holder, lease.Refused(contract=denied.contract, reason=reason))

    def _release(self, release: lease.Release, sender: ActorId, ctx: Context) -> None:
        pool, contract = self.state.pool, release.contract
        theirs = pool.waiting.get(contract) or pool.leases.get(contract)
        if theirs is None:
            ctx.note(f"{contract}: release by {sender} ignored, the lease is over")
            return
        if theirs.holder != sender:
            state = f"{contract} of {theirs.holder}, told by {sender}"
            raise ProtocolError(role="GpuBroker", state=state, message=release)
        if isinstance(theirs, Request):
            pool.withdraw(contract)
            return
        pool.release(contract, ctx.now)
        if not theirs.is_begun:
            self.state.withdrawn[contract] = sender
        if release.failures:
            self._report(theirs, release.failures, ctx)

    def _report(self, ended: Lease, failures: tuple[str, ...], ctx: Context) -> None:
        if not self._devops:
            ctx.note(f"{ended.contract}: nobody is on duty for {failures[0]}")
            return
        on_duty = self._devops[self.state.n_incidents % len(self._devops)]
        self.state.n_incidents += 1
        self.state.reported[ended.contract] = ended.holder
        incident = ops.Incident(
            contract=ended.contract,
            holder=ended.holder,
            gpus=ended.device_names(self.state.pool.cluster),
            failures=failures,
        )
        ctx.tell(on_duty, incident)

    def _pass_on(self, advice: ops.Advice, ctx: Context) -> None:
        holder = self.state.reported.pop(advice.contract, None)
        if holder is None:
            ctx.note(f"{advice.contract}: nobody waits for the advice of {ctx.sender}")
        else:
            ctx.tell(holder, advice)

    def _expire(self, contract: ContractId, ctx: Context) -> None:
        held = self.state.pool.leases.get(contract)
        if held is not None and held.is_begun and held.ends_at <= ctx.now:  # not released before
            self.state.pool.release(contract, ctx.now)
            ctx.tell(held.holder, lease.Ended(contract=contract))

    def _set_round(self, ctx: Context) -> None:
        if not self.state.is_round_set:
            self.state.is_round_set = True
            every = self._round_every
            ctx.after(Ticks(every - ctx.now % every), lease.RoundDue())

    def _expect_held(self, answer: money.Charged | money.Denied) -> None:
        held = self.state.pool.leases.get(answer.contract)
        if held is None or held.is_begun:
            state = f"{answer.contract} not held"
            raise ProtocolError(role="GpuBroker", state=state, message=answer)


def _turn(one: OnDesk) -> tuple[int, ContractId, bytes, ActorId]:
    """Sorts what came by what it is, then by contract; a withdrawal comes before the price."""
    match one.paper:
        case lease.Request():
            turn = 0
        case lease.Release():
            turn = 1
        case money.Charged() | money.Denied():
            turn = 2
        case _:
            assert_never(one.paper)
    return turn, one.paper.contract, msgspec.json.encode(one.paper), one.sender

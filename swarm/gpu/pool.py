"""Pool: which GPUs are idle, which are leased, who waits, and the books that must add up.

A pool is state: one Struct that encodes to JSON and back, so that it can live inside an actor's
state. It decides nothing. A round is: ask the mechanism with ``pool.line(mechanism)`` and
``pool.view(...)``, carry out its stops, then its awards, at the same instant; ``rounds.py`` does.

States of a request: waiting -> held -> begun -> gone. ``grant`` leads to held or straight to begun,
``begin`` from held to begun, ``withdraw`` from waiting to gone, ``release`` from held or begun to
gone, ``preempt`` from begun to waiting. A node is up, or away (``lose``, ``restore``): its GPUs are
neither idle nor leased then, and a lease of it is torn down whole.

What is derived from the fields is kept in ``index``, made on first use and never encoded. The file
is longer than 300 lines because every way in which a pool changes stands in one class.
"""

from functools import cached_property
from typing import NoReturn

import msgspec

from swarm.errors import InvariantError, UsageError
from swarm.gpu.audit import Usage, audit, held_milli_ticks, usage
from swarm.gpu.devices import Cluster
from swarm.gpu.floor import occupy, vacate
from swarm.gpu.index import Index
from swarm.gpu.leases import MILLI, Lease, Request
from swarm.gpu.line import Line, Order
from swarm.gpu.mechanism import Award, PoolView
from swarm.gpu.placement import Placement
from swarm.gpu.standings import Preemptive
from swarm.kernel.message import ContractId
from swarm.units import Credits, Ticks

NO_TIME = Ticks(0)


class Pool(msgspec.Struct, kw_only=True, dict=True):
    """A cluster that is leased out in gangs. Made by ``open_pool``.

    Time never runs backwards: every method that takes ``now`` raises ``InvariantError`` if it
    lies before an earlier one.
    """

    cluster: Cluster
    reserve: Credits
    """The least anybody pays, in micro-credits per GPU-tick, at least 0."""
    opened_at: Ticks
    idle: list[list[int]]
    """Wholly idle GPUs of each node, in node order, ascending."""
    counted_until: Ticks
    idle_milli_ticks: int = 0
    """Idle time up to ``counted_until``, in thousandths of a GPU-tick, counted as it passed."""
    returned_milli_ticks: int = 0
    """Time of the leases that have been released, likewise, counted lease by lease."""
    away_milli_ticks: int = 0
    """Time of GPUs on nodes that were away, likewise, up to ``counted_until``."""
    waiting: dict[ContractId, Request] = {}
    leases: dict[ContractId, Lease] = {}
    shared: dict[int, dict[int, int]] = {}
    """Free thousandths, 0 to 999, by GPU and node, of GPUs that are leased in slices."""
    away: dict[int, list[int]] = {}
    """GPUs of the nodes that are away, by node."""
    n_granted: int = 0
    n_preempted: int = 0
    n_checks: int = 0

    @cached_property
    def index(self) -> Index:
        """What is derived from the fields; every method that changes them keeps it up to date."""
        return Index(self.cluster, self.idle, self.shared, self.leases.values())

    @property
    def queue(self) -> list[Request]:
        """Who waits, by time of submission, ties by contract."""
        return sorted(self.waiting.values(), key=lambda one: one.turn)

    @property
    def n_idle(self) -> int:
        """GPUs that nobody holds any part of."""
        return sum(self.index.idle)

    def line(self, order: Order) -> Line:
        """Returns who waits, as this mechanism sees them; cheap if it is the one asked for last."""
        return self.index.line(order, self.waiting)

    def view(
        self,
        placement: Placement,
        *,
        preempts: Preemptive | None = None,
        has_notice: bool = False,
        now: Ticks = NO_TIME,
    ) -> PoolView:
        """Returns what a mechanism needs to decide a round; holds until the pool changes.

        Args:
            placement: Where gangs go.
            preempts: The mechanism, if it may stop leases.
            has_notice: Whether it is some time until they are stopped.
            now: The virtual time, if it may.
        """
        index = self.index
        standings = index.standings(preempts) if preempts is not None else None
        return PoolView(
            idle=index.idle,
            sizes=index.sizes,
            placement=placement,
            reserve=self.reserve,
            slices=index.slices,
            leases=index.by_end,
            held=index.held,
            running=standings.at(now) if standings is not None else (),
            standings_change_at=standings.next_change() if standings is not None else None,
            may_preempt=standings is not None,
            has_notice=has_notice,
        )

    def submit(self, request: Request) -> None:
        """Puts a request into the queue; ``reasons.refusal`` says beforehand whether it may.

        Raises:
            InvariantError: If the contract waits or holds a lease already.
        """
        contract = request.contract
        if contract in self.waiting or contract in self.leases:
            _broken("one request per contract", f"a new contract, not {contract}", f"{request}")
        self.waiting[contract] = request
        self.index.came(request)

    def withdraw(self, contract: ContractId) -> Request | None:
        """Takes a request out of the queue and returns it; None if it does not wait."""
        request = self.waiting.pop(contract, None)
        if request is not None:
            self.index.went(request)
        return request

    def grant(self, award: Award, now: Ticks, *, is_begun: bool) -> Lease:
        """Turns an award into a lease; its GPUs are taken from now on.

        Args:
            award: What the mechanism decided at this instant.
            now: The virtual time.
            is_begun: Whether the paid time runs from now. If not, the lease is only held, and
                ``begin`` starts its time.

        Raises:
            InvariantError: If the request does not wait, the award is not its whole gang, or the
                GPUs are not idle.
        """
        request = award.request
        if self.waiting.get(request.contract) != request:
            _broken("only who waits gets a lease", f"{request} in the queue", "no such request")
        if sum(MILLI * take.gpus + take.milli for take in award.takes) != request.size:
            wanted = f"{request.gpus} GPUs" if request.gpus else f"{request.milli} thousandths"
            _broken("a gang starts whole", wanted, f"{award.takes}")
        self._count(now)
        self.n_granted += 1
        lease = Lease(
            contract=request.contract,
            holder=request.holder,
            shares=tuple(occupy(self, take, request.contract) for take in award.takes),
            granted_at=now,
            starts_at=now,
            ends_at=Ticks(now + request.duration),
            is_begun=is_begun,
            price=award.payment,
            request=request,
            number=self.n_granted,
            is_firm=award.is_firm,
        )
        self.withdraw(request.contract)
        self.leases[request.contract] = lease
        self.index.granted(lease)
        return lease

    def begin(self, contract: ContractId, now: Ticks) -> Lease:
        """Starts the time of a lease that was held until its price came in.

        Raises:
            InvariantError: If there is no such lease, or its time runs already.
        """
        self._count(now)
        held = self._lease(contract)
        if held.is_begun:
            _broken("paid time begins once", f"a lease of {contract} that is only held", f"{held}")
        ends_at = Ticks(now + held.ends_at - held.starts_at)
        return self._change(
            held, msgspec.structs.replace(held, starts_at=now, ends_at=ends_at, is_begun=True)
        )

    def renew(self, contract: ContractId, *, duration: Ticks, price: Credits) -> Lease:
        """Puts off the end of a lease whose time runs.

        Raises:
            InvariantError: If there is no such lease, its time does not run, or it has been given
                notice.
        """
        lease = self._lease(contract)
        if not lease.is_begun or lease.stops_at is not None:
            _broken("what runs is renewed", f"a lease of {contract} that goes on", f"{lease}")
        ends_at, paid = Ticks(lease.ends_at + duration), Credits(lease.price + price)
        return self._change(lease, msgspec.structs.replace(lease, ends_at=ends_at, price=paid))

    def give_notice(self, contract: ContractId, stops_at: Ticks) -> Lease:
        """Says when a lease will be preempted, if it has not ended by then."""
        lease = self._lease(contract)
        return self._change(lease, msgspec.structs.replace(lease, stops_at=stops_at))

    def preempt(self, contract: ContractId, now: Ticks, *, cost: Ticks = NO_TIME) -> Request:
        """Ends a lease before its time, and puts what is left of it into the queue.

        Args:
            contract: Whose.
            now: The virtual time.
            cost: What stopping and resuming adds to what is left.

        Raises:
            InvariantError: If there is no such lease, or its time does not run.
        """
        lease = self._lease(contract)
        if not lease.is_begun or now >= lease.ends_at:
            _broken("what runs is preempted", f"a lease of {contract} that runs", f"{lease}")
        self.release(contract, now)
        asked = lease.request
        self.n_preempted += 1
        rest = msgspec.structs.replace(
            asked,
            duration=Ticks(lease.ends_at - now + cost),
            served=Ticks(asked.served + now - lease.starts_at),
            stopped_at=now,
            stop_number=self.n_preempted,
        )
        self.submit(rest)
        return rest

    def release(self, contract: ContractId, now: Ticks) -> Lease:
        """Ends a lease, early or at its end, and returns it; its GPUs are idle from now on.

        Raises:
            InvariantError: If there is no such lease.
        """
        self._count(now)
        lease = self._lease(contract)
        del self.leases[contract]
        self.index.released(lease)
        for share in lease.shares:
            vacate(self, share)
        self.returned_milli_ticks += held_milli_ticks(lease, now)
        return lease

    def lose(self, node: int, now: Ticks) -> list[Lease]:
        """Takes a node away and tears down every gang that has a part of it; returns these leases.

        Their other GPUs are idle from now on: part of a gang is of no use to anybody. Losing a
        node again does nothing.
        """
        torn = [
            self.release(lease.contract, now)
            for lease in sorted(self.leases.values(), key=lambda one: one.contract)
            if any(share.node == node for share in lease.shares)
        ]
        if node not in self.away:
            self._count(now)
            self.away[node], self.idle[node] = self.idle[node], []
            self.index.moved(node, -len(self.away[node]))
        return torn

    def restore(self, node: int, now: Ticks) -> None:
        """Brings a node back that was away; its GPUs are idle from now on."""
        if node in self.away:
            self._count(now)
            self.idle[node] = self.away.pop(node)
            self.index.moved(node, len(self.idle[node]))

    def expired(self, now: Ticks) -> list[Lease]:
        """Returns the leases whose time is over and that ``release`` must end, by end."""
        over: list[Lease] = []
        for lease in self.index.by_end:
            if lease.ends_at > now:
                break
            if lease.is_begun:
                over.append(lease)
        return over

    def usage(self, now: Ticks) -> Usage:
        """Returns the GPU time offered, leased, idle and away since the pool opened."""
        self._passed(now)
        return usage(self, now)

    def audit(self, now: Ticks) -> None:
        """Checks everything that must hold between two messages; ``audit.py`` says what.

        Raises:
            InvariantError: Naming the rule that is broken.
        """
        audit(self, now)

    def check(self, now: Ticks) -> None:
        """Audits the pool every so often: after as many calls as keep the cost of each constant."""
        self.n_checks += 1
        if self.n_checks >= self.index.gpus // 8:
            self.n_checks = 0
            audit(self, now)

    def _lease(self, contract: ContractId) -> Lease:
        lease = self.leases.get(contract)
        if lease is None:
            _broken("only a lease can begin or end", f"a lease of {contract}", "none")
        return lease

    def _change(self, before: Lease, after: Lease) -> Lease:
        self.leases[after.contract] = after
        self.index.released(before)
        self.index.granted(after)
        return after

    def _count(self, now: Ticks) -> None:
        passed = self._passed(now)
        if passed:
            self.idle_milli_ticks += self.index.free * passed
            self.away_milli_ticks += MILLI * sum(map(len, self.away.values())) * passed
            self.counted_until = now

    def _passed(self, now: Ticks) -> int:
        if now < self.counted_until:
            _broken("time goes forward", f"{self.counted_until} or later", f"{now}")
        return now - self.counted_until


def open_pool(cluster: Cluster, *, reserve: Credits, now: Ticks) -> Pool:
    """Returns a pool in which every GPU is idle.

    Args:
        cluster: What there is to lease.
        reserve: The least anybody pays, in micro-credits per GPU-tick.
        now: From when on GPU time is offered.

    Raises:
        UsageError: If the reserve is below 0.
    """
    if reserve < 0:
        raise UsageError(what=f"the reserve price per GPU-tick must be at least 0, came {reserve}")
    idle = [list(range(size)) for size in cluster.sizes]
    return Pool(cluster=cluster, reserve=reserve, opened_at=now, idle=idle, counted_until=now)


def _broken(rule: str, expected: str, came: str) -> NoReturn:
    raise InvariantError(rule=rule, expected=expected, came=came)

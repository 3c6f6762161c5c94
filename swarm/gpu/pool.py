"""Pool: which GPUs are idle, which are leased, who waits, and the books that must add up.

A pool is state: one Struct that encodes to JSON and back, so that it can live inside an actor's
state. It decides nothing. A round is: ``awards = mechanism.allocate(pool.queue, pool.view(...),
now)``, then ``pool.grant(award, now, ...)`` for each, at the same instant.

States of a request: waiting -> held -> begun -> gone. ``grant`` leads to held or straight to begun,
``begin`` from held to begun, ``withdraw`` from waiting to gone, ``release`` from held or begun to
gone.
"""

from typing import NoReturn

import msgspec

from swarm.errors import InvariantError, UsageError
from swarm.gpu.devices import Cluster
from swarm.gpu.leases import Lease, Request, Share, Take
from swarm.gpu.mechanism import Award, PoolView
from swarm.gpu.placement import Placement
from swarm.kernel.message import ContractId
from swarm.units import Credits, GpuTicks, Ticks


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """GPU time since the pool opened; offered = leased + idle."""

    offered: GpuTicks
    leased: GpuTicks
    idle: GpuTicks


class Pool(msgspec.Struct, kw_only=True):
    """A cluster that is leased out in gangs. Made by ``open_pool``.

    Time never runs backwards: every method that takes ``now`` raises ``InvariantError`` if it
    lies before an earlier one.
    """

    cluster: Cluster
    reserve: Credits
    """The least anybody pays, in micro-credits per GPU-tick, at least 0."""
    opened_at: Ticks
    idle: list[list[int]]
    """Idle GPUs of each node, in node order, ascending."""
    counted_until: Ticks
    idle_gpu_ticks: GpuTicks = GpuTicks(0)
    """Idle GPU time up to ``counted_until``, summed over the idle GPUs as time passed."""
    returned_gpu_ticks: GpuTicks = GpuTicks(0)
    """GPU time of the leases that have been released, summed lease by lease."""
    waiting: dict[ContractId, Request] = {}
    leases: dict[ContractId, Lease] = {}

    @property
    def queue(self) -> list[Request]:
        """Who waits, by time of submission, ties by contract."""
        return sorted(self.waiting.values(), key=lambda one: one.turn)

    @property
    def n_idle(self) -> int:
        """GPUs that nobody holds."""
        return sum(map(len, self.idle))

    def view(self, placement: Placement) -> PoolView:
        """Returns what a mechanism needs to decide a round."""
        return PoolView(
            idle=tuple(map(len, self.idle)),
            sizes=self.cluster.sizes,
            placement=placement,
            reserve=self.reserve,
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

    def withdraw(self, contract: ContractId) -> Request | None:
        """Takes a request out of the queue and returns it; None if it does not wait."""
        return self.waiting.pop(contract, None)

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
        if sum(take.gpus for take in award.takes) != request.gpus:
            _broken("a gang starts whole", f"{request.gpus} GPUs", f"{award.takes}")
        self._count(now)
        shares = tuple(self._take(take, request.contract) for take in award.takes)
        lease = Lease(
            contract=request.contract,
            holder=request.holder,
            shares=shares,
            granted_at=now,
            starts_at=now,
            ends_at=Ticks(now + request.duration),
            is_begun=is_begun,
            price=award.payment,
        )
        del self.waiting[request.contract]
        self.leases[request.contract] = lease
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
        begun = msgspec.structs.replace(held, starts_at=now, ends_at=ends_at, is_begun=True)
        self.leases[contract] = begun
        return begun

    def release(self, contract: ContractId, now: Ticks) -> Lease:
        """Ends a lease, early or at its end, and returns it; its GPUs are idle from now on.

        Raises:
            InvariantError: If there is no such lease.
        """
        self._count(now)
        lease = self._lease(contract)
        del self.leases[contract]
        for share in lease.shares:
            self.idle[share.node] = sorted((*self.idle[share.node], *share.gpus))
        self.returned_gpu_ticks = GpuTicks(self.returned_gpu_ticks + _held(lease, now))
        return lease

    def expired(self, now: Ticks) -> list[Lease]:
        """Returns the leases whose time is over and that ``release`` must end, by end."""
        over = (lease for lease in self.leases.values() if lease.is_begun and lease.ends_at <= now)
        return sorted(over, key=lambda lease: (lease.ends_at, lease.contract))

    def usage(self, now: Ticks) -> Usage:
        """Returns the GPU time offered, leased and idle since the pool opened."""
        idle = self.idle_gpu_ticks + self.n_idle * self._passed(now)
        running = sum(_held(lease, now) for lease in self.leases.values())
        return Usage(
            offered=GpuTicks(self.cluster.gpus * (now - self.opened_at)),
            leased=GpuTicks(self.returned_gpu_ticks + running),
            idle=GpuTicks(idle),
        )

    def audit(self, now: Ticks) -> None:
        """Checks everything that must hold between two messages.

        Every GPU of the cluster is idle or in one lease, once, and no other GPU is; no lease has
        outlived its end; idle time, counted as it passed, and leased time, counted lease by
        lease, add up to the time offered.

        Raises:
            InvariantError: Naming the rule that is broken.
        """
        held = [
            (share.node, gpu)
            for lease in self.leases.values()
            for share in lease.shares
            for gpu in share.gpus
        ]
        idle = [(node, gpu) for node, gpus in enumerate(self.idle) for gpu in gpus]
        offered = [
            (node, gpu) for node, size in enumerate(self.cluster.sizes) for gpu in range(size)
        ]
        if sorted(held + idle) != offered:
            expected = f"{len(offered)} GPUs, each idle or leased once"
            _broken("no GPU twice", expected, f"{len(idle)} idle and {len(held)} leased: {held}")
        for lease in self.expired(Ticks(now - 1)):
            _broken("leases end", f"{lease.contract} released at {lease.ends_at}", f"held at {now}")
        usage = self.usage(now)
        if usage.offered != usage.leased + usage.idle:
            _broken("GPU time is conserved", f"{usage.offered} = leased + idle", f"{usage}")

    def _take(self, take: Take, contract: ContractId) -> Share:
        idle = self.idle[take.node]
        if not 0 < take.gpus <= len(idle):
            expected = f"1 to {len(idle)} GPUs of {self.cluster.nodes[take.node].name}"
            _broken("only idle GPUs are leased", expected, f"{take.gpus} for {contract}")
        share = Share(node=take.node, gpus=tuple(idle[: take.gpus]))
        del idle[: take.gpus]
        return share

    def _lease(self, contract: ContractId) -> Lease:
        lease = self.leases.get(contract)
        if lease is None:
            _broken("only a lease can begin or end", f"a lease of {contract}", "none")
        return lease

    def _count(self, now: Ticks) -> None:
        passed = self._passed(now)
        self.idle_gpu_ticks = GpuTicks(self.idle_gpu_ticks + self.n_idle * passed)
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


def _held(lease: Lease, now: Ticks) -> int:
    return lease.gpus * (now - lease.granted_at)


def _broken(rule: str, expected: str, came: str) -> NoReturn:
    raise InvariantError(rule=rule, expected=expected, came=came)

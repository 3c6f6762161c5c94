"""Leases: a gang of GPUs that is asked for, then held for a time. Both live in a snapshot."""

import msgspec

from swarm.gpu.devices import Cluster
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks

MILLI = 1_000
"""Thousandths in a GPU: what fractions are counted in."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants a gang of GPUs for a time; the contract names it, here and as a lease."""

    contract: ContractId
    holder: ActorId
    gpus: int
    """Gang size: all of them or none. 0 for a slice of one GPU."""
    duration: Ticks
    """How long; for who was preempted, what is left of it."""
    bid: Credits
    """The most the holder would pay for the whole lease, in micro-credits."""
    submitted_at: Ticks
    milli: int = 0
    """Thousandths of one GPU, 0 to 999; a slice is asked for alone, never beside whole GPUs."""
    served: Ticks = Ticks(0)
    """How long it has run in earlier leases."""
    stopped_at: Ticks | None = None
    """When it was last preempted; None if it never was."""
    stop_number: int = 0
    """Which preemption of the pool that was, from 1: who was stopped first at one instant."""

    @property
    def turn(self) -> tuple[Ticks, ContractId]:
        """Who came first: sorts by time of submission, ties by contract."""
        return self.submitted_at, self.contract

    @property
    def size(self) -> int:
        """What it wants at one time, in thousandths of a GPU."""
        return MILLI * self.gpus + self.milli

    @property
    def waits_since(self) -> Ticks:
        """When it came into the queue, for the first time or after a preemption."""
        return self.submitted_at if self.stopped_at is None else self.stopped_at


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a placement: so many GPUs of the node with this id, or a slice of one."""

    node: int
    gpus: int
    milli: int = 0
    """Thousandths of one GPU; ``gpus`` is 0 then."""
    on: int = 0
    """How many thousandths of that GPU are free before; 1,000 opens an idle one."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a lease: these GPUs of the node with this id."""

    node: int
    gpus: tuple[int, ...]
    milli: int = MILLI
    """Thousandths of each of them; less than 1,000 is a slice."""

    @property
    def size(self) -> int:
        """Thousandths of a GPU in all."""
        return self.milli * len(self.gpus)


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A gang that is held. GPUs are taken at ``granted_at`` and free again when it is released."""

    contract: ContractId
    holder: ActorId
    shares: tuple[Share, ...]
    granted_at: Ticks
    starts_at: Ticks
    """When the paid time begins: ``granted_at``, or later if the price had to be paid first."""
    ends_at: Ticks
    is_begun: bool
    """Whether paid time runs. A lease that is only held, until its price is in, cannot expire."""
    price: Credits
    request: Request
    """What was asked for: what goes back into the queue when the lease is preempted."""
    number: int = 0
    """Which lease of the pool this is, from 1: who was served first at one instant."""
    is_firm: bool = False
    """Whether it may not be preempted: its holder had waited too long."""
    stops_at: Ticks | None = None
    """When it will be preempted, if notice has been given."""

    @property
    def gpus(self) -> int:
        """GPUs of the gang; a slice counts as one."""
        return sum(len(share.gpus) for share in self.shares)

    @property
    def size(self) -> int:
        """What it holds, in thousandths of a GPU."""
        return self.request.size

    @property
    def may_stop(self) -> bool:
        """Whether a mechanism may choose to preempt it."""
        return self.is_begun and not self.is_firm and self.stops_at is None

    def device_names(self, cluster: Cluster) -> tuple[str, ...]:
        """Returns ``node/index`` of every GPU, in node order; ``node/index:250`` of a slice."""
        return tuple(
            f"{cluster.nodes[share.node].name}/{gpu}"
            + (f":{share.milli}" if share.milli < MILLI else "")
            for share in self.shares
            for gpu in share.gpus
        )

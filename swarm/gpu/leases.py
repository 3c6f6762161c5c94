"""Leases: a gang of GPUs that is asked for, then held for a time. Both live in a snapshot."""

import msgspec

from swarm.gpu.devices import Cluster
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants a gang of GPUs for a time; the contract names it, here and as a lease."""

    contract: ContractId
    holder: ActorId
    gpus: int
    """Gang size: all of them or none."""
    duration: Ticks
    bid: Credits
    """The most the holder would pay for the whole lease, in micro-credits."""
    submitted_at: Ticks

    @property
    def turn(self) -> tuple[Ticks, ContractId]:
        """Who came first: sorts by time of submission, ties by contract."""
        return self.submitted_at, self.contract


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a placement: so many GPUs of the node with this id."""

    node: int
    gpus: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a lease: these GPUs of the node with this id."""

    node: int
    gpus: tuple[int, ...]


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

    @property
    def gpus(self) -> int:
        """Gang size."""
        return sum(len(share.gpus) for share in self.shares)

    def device_names(self, cluster: Cluster) -> tuple[str, ...]:
        """Returns ``node/index`` for every GPU of the gang, in node order."""
        return tuple(
            f"{cluster.nodes[share.node].name}/{gpu}" for share in self.shares for gpu in share.gpus
        )

"""Floor: GPUs of a pool are taken and given back, one by one, whole or in slices."""

from typing import TYPE_CHECKING

from swarm.errors import InvariantError
from swarm.gpu.leases import MILLI, Share, Take
from swarm.kernel.message import ContractId

if TYPE_CHECKING:
    from swarm.gpu.pool import Pool


def occupy(pool: "Pool", take: Take, contract: ContractId) -> Share:
    """Takes the lowest idle GPUs of a node, or a slice of one GPU.

    Raises:
        InvariantError: If they are not idle.
    """
    if take.milli:
        return _occupy_slice(pool, take, contract)
    idle = pool.idle[take.node]
    if not 0 < take.gpus <= len(idle):
        expected = f"1 to {len(idle)} GPUs of {pool.cluster.nodes[take.node].name}"
        _not_idle(expected, f"{take.gpus} for {contract}")
    share = Share(node=take.node, gpus=tuple(idle[: take.gpus]))
    del idle[: take.gpus]
    pool.index.moved(take.node, -take.gpus)
    return share


def vacate(pool: "Pool", share: Share) -> None:
    """Gives back what a lease held of a node; if the node is away, its GPUs are so as well."""
    if share.milli == MILLI:
        _put_back(pool, share.node, share.gpus)
        return
    shared, (gpu,) = pool.shared[share.node], share.gpus
    shared[gpu] += share.milli
    if shared[gpu] == MILLI:
        del shared[gpu]
        _put_back(pool, share.node, (gpu,))
    if not shared:
        del pool.shared[share.node]
    pool.index.sliced(share.node, shared)


def _occupy_slice(pool: "Pool", take: Take, contract: ContractId) -> Share:
    idle, shared = pool.idle[take.node], pool.shared.get(take.node, {})
    gpu = min((gpu for gpu, free in shared.items() if free == take.on), default=-1)
    if take.on == MILLI and idle:
        gpu = idle.pop()
        pool.index.moved(take.node, -1)
    if gpu < 0 or take.milli > take.on:
        expected = f"a GPU of {pool.cluster.nodes[take.node].name} with {take.on} free"
        _not_idle(expected, f"{take} for {contract}")
    shared[gpu] = take.on - take.milli
    pool.shared[take.node] = shared
    pool.index.sliced(take.node, shared)
    return Share(node=take.node, gpus=(gpu,), milli=take.milli)


def _put_back(pool: "Pool", node: int, gpus: tuple[int, ...]) -> None:
    if node in pool.away:
        pool.away[node] = sorted((*pool.away[node], *gpus))
        return
    pool.idle[node] = sorted((*pool.idle[node], *gpus))
    pool.index.moved(node, len(gpus))


def _not_idle(expected: str, came: str) -> None:
    raise InvariantError(rule="only idle GPUs are leased", expected=expected, came=came)

"""Reasons: why a request is refused, or why it still waits, as one sentence with numbers."""

from swarm.gpu.leases import MILLI, Request
from swarm.gpu.placement import Placement
from swarm.gpu.pool import Pool
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks


def refusal(
    request: Request, pool: Pool, *, placement: Placement, is_sharing: bool = True
) -> str | None:
    """Returns why this request can never become a lease of this pool; None if it can.

    Args:
        request: What is asked for.
        pool: By whom.
        placement: Where gangs go.
        is_sharing: Whether GPUs are leased in slices.
    """
    view = pool.view(placement)
    wrong = _misshapen(request, is_sharing=is_sharing)
    if wrong is not None:
        return wrong
    largest = placement.largest(idle=view.sizes, sizes=view.sizes)
    if request.gpus > largest:
        return (
            f"{request.contract} asks for {request.gpus} GPUs, and the largest gang possible"
            f" here is {largest}; ask for at most that"
        )
    reserve_price = view.reserve_price(request)
    if request.bid < reserve_price:
        return (
            f"{request.contract} bids {request.bid} micro-credits, and {request.gpus} GPUs for"
            f" {request.duration} ticks cost at least {reserve_price}; bid that or ask for less"
        )
    for where, what in ((pool.waiting, "waits"), (pool.leases, "holds a lease")):
        if request.contract in where:
            return f"{request.contract} {what} here already; one request per contract"
    return None


def no_renewal(
    pool: Pool,
    contract: ContractId,
    holder: ActorId,
    *,
    duration: Ticks,
    bid: Credits,
) -> str | None:
    """Returns why a lease is not renewed; None if it may be, for the reserve price.

    A renewal must not be a way round the queue: nobody gets one while somebody waits.
    """
    lease = pool.leases.get(contract)
    if lease is None or not lease.is_begun or lease.holder != holder:
        return f"{contract} is no lease of {holder} whose time runs"
    if lease.stops_at is not None:
        return f"{contract} will be taken back at {lease.stops_at}"
    if pool.waiting:
        first = min(pool.waiting.values(), key=lambda one: one.turn)
        return (
            f"requests that wait: {len(pool.waiting)}, the first {first.contract} for"
            f" {first.gpus} GPUs; submit a new request"
        )
    price = -(-lease.size * duration * pool.reserve // MILLI)
    if duration < 1 or bid < price:
        return (
            f"{duration} more ticks of {lease.gpus} GPUs cost at least {price} micro-credits, and"
            f" {bid} were bid; bid that, for 1 tick or more"
        )
    return None


def why_pending(request: Request, pool: Pool, now: Ticks, *, placement: Placement) -> str:
    """Returns why a waiting request has no lease yet, and what would have to happen."""
    view = pool.view(placement)
    waited = f"{request.contract} has waited {now - request.submitted_at} ticks"
    idle = f"{pool.n_idle} of {pool.cluster.gpus} GPUs are idle"
    n_away = sum(map(len, pool.away.values()))
    if n_away:
        idle += f", {n_away} are on nodes that are away"
    wanted = f"{request.gpus} GPUs" if request.gpus else f"{request.milli} thousandths of a GPU"
    if view.room().place(request) is None:
        largest = placement.largest(idle=view.idle, sizes=view.sizes)
        n_leases, ticks = _until_room(request, pool, now, placement=placement)
        return (
            f"{waited} for {wanted}: {idle}, in gangs of at most {largest};"
            f" room in {ticks} ticks unless others go first (leases that end by then: {n_leases})"
        )
    earlier = [one for one in pool.queue if one.turn < request.turn]
    fits = f"{waited} for {wanted}, which would fit: {idle}"
    if earlier:
        first = earlier[0]
        return (
            f"{fits}; requests that came earlier: {len(earlier)},"
            f" the first {first.contract} for {first.gpus} GPUs"
        )
    return f"{fits}; requests in the next round: {len(pool.waiting)}"


def _until_room(
    request: Request, pool: Pool, now: Ticks, *, placement: Placement
) -> tuple[int, int]:
    """Returns how many leases end until there is room, and in how many ticks that is."""
    view = pool.view(placement)
    room = view.room()
    n_leases, ticks = 0, 0
    for lease in view.leases:
        if room.place(request) is not None:
            break
        for share in lease.shares:
            if share.milli == MILLI and share.node not in pool.away:
                room.give(share.node, len(share.gpus))
        n_leases, ticks = n_leases + 1, max(0, lease.ends_at - now)
    return n_leases, ticks


def _misshapen(request: Request, *, is_sharing: bool) -> str | None:
    """Returns why nobody could lease this; None if somebody could."""
    asks = f"{request.contract} asks for"
    if request.milli and (request.gpus or not 0 < request.milli < MILLI):
        return (
            f"{asks} {request.gpus} GPUs and {request.milli} thousandths; ask for whole GPUs, or"
            " for 1 to 999 thousandths of one"
        )
    if request.milli and not is_sharing:
        return (
            f"{asks} {request.milli} thousandths of a GPU, and a pool that preempts leases whole"
            " GPUs; ask for one"
        )
    if request.size < 1 or request.duration < 1:
        return f"{asks} {request.gpus} GPUs for {request.duration} ticks; both must be at least 1"
    return None

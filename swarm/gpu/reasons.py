"""Reasons: why a request is refused, or why it still waits, as one sentence with numbers."""

from swarm.gpu.leases import Request
from swarm.gpu.placement import Placement
from swarm.gpu.pool import Pool
from swarm.units import Ticks


def refusal(request: Request, pool: Pool, *, placement: Placement) -> str | None:
    """Returns why this request can never become a lease of this pool; None if it can."""
    view = pool.view(placement)
    if request.gpus < 1 or request.duration < 1:
        return (
            f"{request.contract} asks for {request.gpus} GPUs for {request.duration} ticks;"
            " both must be at least 1"
        )
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
    if request.contract in pool.waiting:
        return f"{request.contract} waits here already; one request per contract"
    if request.contract in pool.leases:
        return f"{request.contract} holds a lease here already; one request per contract"
    return None


def why_pending(request: Request, pool: Pool, now: Ticks, *, placement: Placement) -> str:
    """Returns why a waiting request has no lease yet, and what would have to happen."""
    view = pool.view(placement)
    waited = f"{request.contract} has waited {now - request.submitted_at} ticks"
    idle = f"{pool.n_idle} of {pool.cluster.gpus} GPUs are idle"
    if placement.place(request.gpus, idle=view.idle, sizes=view.sizes) is None:
        largest = placement.largest(idle=view.idle, sizes=view.sizes)
        n_leases, ticks = _until_room(request, pool, now, placement=placement)
        return (
            f"{waited} for {request.gpus} GPUs: {idle}, in gangs of at most {largest};"
            f" room in {ticks} ticks unless others go first (leases that end by then: {n_leases})"
        )
    earlier = [one for one in pool.queue if one.turn < request.turn]
    fits = f"{waited} for {request.gpus} GPUs, which would fit: {idle}"
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
    idle, sizes = list(map(len, pool.idle)), pool.cluster.sizes
    n_leases, ticks = 0, 0
    for lease in sorted(pool.leases.values(), key=lambda one: (one.ends_at, one.contract)):
        if placement.place(request.gpus, idle=idle, sizes=sizes) is not None:
            break
        for share in lease.shares:
            idle[share.node] += len(share.gpus)
        n_leases, ticks = n_leases + 1, max(0, lease.ends_at - now)
    return n_leases, ticks

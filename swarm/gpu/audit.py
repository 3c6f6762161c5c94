"""Audit: what must hold of a pool between any two messages."""

from typing import TYPE_CHECKING, NoReturn

import msgspec

from swarm.errors import InvariantError
from swarm.gpu.leases import MILLI, Lease
from swarm.units import GpuTicks, Ticks

if TYPE_CHECKING:
    from swarm.gpu.pool import Pool


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """GPU time since the pool opened; offered = leased + idle + away.

    Where GPUs are shared, idle time is rounded down to whole GPU-ticks.
    """

    offered: GpuTicks
    leased: GpuTicks
    idle: GpuTicks
    away: GpuTicks = GpuTicks(0)
    """On nodes that were lost."""


def audit(pool: "Pool", now: Ticks) -> None:
    """Checks a pool.

    Every GPU of the cluster is idle, away, in one lease, or shared by slices that do not exceed
    it, once, and no other GPU is; no lease has outlived its end; idle and away time, counted as it
    passed, and leased time, counted lease by lease, add up to the time offered; what is kept in the
    index is what follows from the rest.

    Raises:
        InvariantError: Naming the rule that is broken.
    """
    _check_gpus(pool)
    _check_slices(pool)
    for lease in pool.leases.values():
        if lease.is_begun and lease.ends_at < now:
            expected = f"{lease.contract} released at {lease.ends_at}"
            _broken("leases end", expected, f"held at {now}")
    _check_time(pool, now)
    index = pool.index
    if index.idle != [len(gpus) for gpus in pool.idle] or len(index.by_end) != len(pool.leases):
        _broken("the index follows the state", "idle GPUs and leases as they are", "others")


def usage(pool: "Pool", now: Ticks) -> Usage:
    """Returns the GPU time offered, leased, idle and away since the pool opened."""
    passed = now - pool.counted_until
    n_away = sum(map(len, pool.away.values()))
    offered = pool.index.gpus * (now - pool.opened_at)
    away = pool.away_milli_ticks // MILLI + n_away * passed
    idle = (pool.idle_milli_ticks + pool.index.free * passed) // MILLI
    return Usage(
        offered=GpuTicks(offered),
        leased=GpuTicks(offered - away - idle),
        idle=GpuTicks(idle),
        away=GpuTicks(away),
    )


def held_milli_ticks(lease: Lease, now: Ticks) -> int:
    """Returns the time of a lease so far, in thousandths of a GPU-tick."""
    return lease.size * (now - lease.granted_at)


def _check_gpus(pool: "Pool") -> None:
    whole = [
        (share.node, gpu)
        for lease in pool.leases.values()
        for share in lease.shares
        if share.milli == MILLI
        for gpu in share.gpus
    ]
    idle = [(node, gpu) for node, gpus in enumerate(pool.idle) for gpu in gpus]
    away = [(node, gpu) for node, gpus in pool.away.items() for gpu in gpus]
    shared = [(node, gpu) for node, frees in pool.shared.items() for gpu in frees]
    sizes = pool.index.sizes
    offered = [(node, gpu) for node, size in enumerate(sizes) for gpu in range(size)]
    if sorted(whole + idle + away + shared) != offered:
        expected = f"{len(offered)} GPUs, each idle or leased once"
        came = f"{len(idle)} idle, {len(away)} away and {len(whole) + len(shared)} leased: {whole}"
        _broken("no GPU twice", expected, came)


def _check_slices(pool: "Pool") -> None:
    if not pool.shared:
        return
    free = {(node, gpu): free for node, frees in pool.shared.items() for gpu, free in frees.items()}
    for lease in pool.leases.values():
        for share in lease.shares:
            if share.milli < MILLI:
                place = share.node, share.gpus[0]
                free[place] = free.get(place, 0) + share.milli
    if any(milli != MILLI for milli in free.values()):
        _broken("slices add up to their GPU", "1000 thousandths, free or leased", f"{free}")


def _check_time(pool: "Pool", now: Ticks) -> None:
    passed = now - pool.counted_until
    n_away = sum(map(len, pool.away.values()))
    idle = pool.idle_milli_ticks + pool.index.free * passed
    away = pool.away_milli_ticks + MILLI * n_away * passed
    leased = pool.returned_milli_ticks
    leased += sum(held_milli_ticks(lease, now) for lease in pool.leases.values())
    offered = MILLI * pool.index.gpus * (now - pool.opened_at)
    if offered != leased + idle + away:
        expected = f"{offered // MILLI} GPU-ticks = leased + idle + away"
        came = f"{leased / MILLI:.3f} + {idle / MILLI:.3f} + {away / MILLI:.3f}"
        _broken("GPU time is conserved", expected, came)


def _broken(rule: str, expected: str, came: str) -> NoReturn:
    raise InvariantError(rule=rule, expected=expected, came=came)

"""Plays jobs to a pool without a kernel: what the broker does at each instant, and no more."""

from dataclasses import dataclass, field

from swarm.gpu.devices import H100, uniform_cluster
from swarm.gpu.leases import MILLI, Lease, Request
from swarm.gpu.mechanism import Mechanism
from swarm.gpu.placement import Placement
from swarm.gpu.pool import Pool, open_pool
from swarm.gpu.rounds import Preemption, Rules, play_round, stop_due
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks


@dataclass(frozen=True)
class Work:
    """A job: when it comes, its gang, how long it takes, what it bids, whose it is."""

    submit: int
    gpus: int
    duration: int
    bid: int = 10**9
    holder: str = "ada"
    milli: int = 0

    def request(self, number: int) -> Request:
        return Request(
            contract=ContractId(f"job/{number:06d}"),
            holder=ActorId(self.holder),
            gpus=self.gpus,
            milli=self.milli,
            duration=Ticks(self.duration),
            bid=Credits(self.bid),
            submitted_at=Ticks(self.submit),
        )


@dataclass
class Played:
    """Start and end of each job, by its number, and all that was preempted."""

    starts: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    preemptions: list[int] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)

    @property
    def spans(self) -> list[tuple[int, int]]:
        return [(self.starts[number], end) for number, end in sorted(self.ends.items())]


def play(
    jobs: list[Work],
    mechanism: Mechanism,
    placement: Placement,
    *,
    nodes: int,
    gpus_per_node: int,
    preemption: Preemption | None = None,
    horizon: int = 10**7,
) -> Played:
    """Runs until nothing is left to do; jobs must come in order of submission."""
    pool = open_pool(
        uniform_cluster(H100, nodes=nodes, gpus_per_node=gpus_per_node),
        reserve=Credits(0),
        now=Ticks(0),
    )
    rules = Rules(mechanism=mechanism, placement=placement, preemption=preemption)
    played, sent, again_at = Played(), 0, None
    while True:
        dues = [lease.ends_at for lease in pool.leases.values()]
        dues += [lease.stops_at for lease in pool.leases.values() if lease.stops_at is not None]
        dues += [Ticks(jobs[sent].submit)] if sent < len(jobs) else []
        dues += [again_at] if again_at is not None else []
        if not dues:
            break
        now = Ticks(min(dues))
        assert now < horizon, "jobs that never end"
        _let_go(pool, rules, now, played)
        while sent < len(jobs) and jobs[sent].submit == now:
            pool.submit(jobs[sent].request(sent))
            sent += 1
        result = play_round(pool, rules, now, is_begun=True)
        again_at = result.again_at
        played.preemptions += [_number(rest.contract) for _, rest in result.preempted]
        played.leases += result.granted
        for granted in result.granted:
            played.starts.setdefault(_number(granted.contract), now)
        pool.audit(now)
        assert sum(lease.size for lease in pool.leases.values()) <= MILLI * nodes * gpus_per_node
    assert not pool.waiting
    return played


def _let_go(pool: Pool, rules: Rules, now: Ticks, played: Played) -> None:
    for over in pool.expired(now):
        pool.release(over.contract, now)
        played.ends[_number(over.contract)] = now
    assert rules.preemption is not None or not any(lease.stops_at for lease in pool.leases.values())
    for lease in sorted(pool.leases.values(), key=lambda one: one.contract):
        if rules.preemption is not None and lease.stops_at is not None and lease.stops_at <= now:
            stop_due(pool, lease.contract, rules.preemption.cost, now)
            played.preemptions.append(_number(lease.contract))


def _number(contract: ContractId) -> int:
    return int(contract.rpartition("/")[2])

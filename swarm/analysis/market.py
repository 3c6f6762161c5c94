"""Conversations as data: calls, proposals, prices, breaches, and how even and how busy a lab is.

The null here is a *shuffled negotiation*: the same calls and the same proposals, but winners
exchanged between calls at random, so that every call keeps one winner among those who proposed and
every actor keeps as many wins. What a score has beyond that null, the choice of winners put there.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from swarm.analysis.money import by_actor
from swarm.analysis.run import Run
from swarm.kernel.rng import Stream
from swarm.units import CREDIT, HOUR, MINUTE

SHUFFLES = 200
"""Shuffled negotiations that make a null."""

SWAPS_PER_CALL = 20
"""Attempted exchanges for each call in one shuffle."""

_TALK = """
select count(*) filter (kind = 'contract_net.cfp') as calls_sent,
    count(*) filter (kind = 'contract_net.propose') as proposals,
    count(*) filter (kind = 'contract_net.refuse') as refusals,
    count(*) filter (kind = 'contract_net.accept') as acceptances
from told
"""
_CONTRACTS = """
select count(*) as calls, count(*) filter (winner is null) as unanswered,
    count(*) filter (outcome in ('failed', 'overdue', 'cancelled', 'rejected')) as breaches,
    count(distinct (initiator, winner)) filter (winner is not null) as pairs
from contracts
"""
_OFFERS = """
select t.contract, t.payload->>'proposer' as who, c.task, c.initiator, c.winner,
    min(try_cast(t.payload->>'price' as bigint)) as price,
    min(try_cast(t.payload->>'ends_at' as bigint)) - min(c.opened) as promised
from told t join contracts c on c.contract = t.contract
where t.kind = 'contract_net.propose' and c.winner is not null
group by all order by t.contract, who
"""
_USE = """
with ends as (select max(due) + 1 as over from messages)
select coalesce(sum(gpus * (coalesce(ended, over) - granted)) filter (granted is not null), 0)
        ::bigint as gpu_ticks,
    min(over) as over, count(*) as requests, count(granted) as granted,
    coalesce(median(wait), 0) as wait, coalesce(quantile_cont(wait, 0.9), 0) as wait_90
from leases cross join ends
"""
_ENVY = """
select count(distinct a.contract) as envious
from leases a join leases b on b.granted > a.requested and b.contract <> a.contract
    and b.granted < coalesce(a.granted, a.ended, 9223372036854775807)
where b.gpus >= a.gpus
    and b.price::double / (b.gpus * b.duration) < a.bid::double / (a.gpus * a.duration)
"""


class Offer(NamedTuple):
    """One proposal to a call that was awarded."""

    contract: str
    who: str
    price: int
    promised: int
    """Ticks from the call to the end that the proposer promised."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """An awarded call with all its proposals."""

    contract: str
    task: str
    initiator: str
    winner: str
    offers: tuple[Offer, ...]

    def of(self, who: str) -> Offer | None:
        """Returns somebody's proposal; None if there is none."""
        return next((offer for offer in self.offers if offer.who == who), None)


@dataclass(frozen=True, kw_only=True)
class Null:
    """A score, and what it is in shuffled negotiations."""

    observed: float
    mean: float
    low: float
    """2.5th percentile of the shuffled."""
    high: float
    """97.5th percentile."""
    shuffles: int


@dataclass(frozen=True, kw_only=True)
class Market:
    """The negotiations of a run; money in credits, times in virtual units of their names."""

    calls: int
    messages_calling: int
    """Calls as received: one call goes to several."""
    proposals: int
    refusals: int
    acceptances: int
    unanswered: int
    breaches: int
    """Contracts that failed, were overdue, cancelled, or whose result was not accepted."""
    gini_of_balances: float | None
    """Over actors that ever received credits: 0 all equal, towards 1 one has all."""
    gini_of_receipts: float | None
    utilisation: float | None
    """Share of the pool's GPU time that was leased; None where the pool's size is not known."""
    gpu_hours: float
    requests: int
    wait_minutes_median: float
    wait_minutes_90th: float
    envy: float | None
    """Share of lease requests that waited while a later grant, at least as large, went for less per
    GPU and tick than they bid."""
    nulls: dict[str, Null]

    def as_object(self) -> dict[str, Any]:  # Any: JSON
        """Returns JSON values."""
        return asdict(self)


def market(run: Run, *, shuffles: int = SHUFFLES) -> Market:
    """Scores the negotiations of a run."""
    talk = run.sql(_TALK).row(0, named=True)
    contracts = run.sql(_CONTRACTS).row(0, named=True)
    use = run.sql(_USE).row(0, named=True)
    accounts = by_actor(run)
    envious = int(run.sql(_ENVY).item()) if use["requests"] else 0
    n_gpus = pool_size(run)
    return Market(
        calls=contracts["calls"],
        messages_calling=talk["calls_sent"],
        proposals=talk["proposals"],
        refusals=talk["refusals"],
        acceptances=talk["acceptances"],
        unanswered=contracts["unanswered"],
        breaches=contracts["breaches"],
        gini_of_balances=gini(accounts["balance"].to_list()),
        gini_of_receipts=gini(accounts["received"].to_list()),
        utilisation=use["gpu_ticks"] / (n_gpus * use["over"]) if n_gpus and use["over"] else None,
        gpu_hours=use["gpu_ticks"] / HOUR,
        requests=use["requests"],
        wait_minutes_median=use["wait"] / MINUTE,
        wait_minutes_90th=use["wait_90"] / MINUTE,
        envy=envious / use["requests"] if use["requests"] else None,
        nulls=_nulls(awarded_calls(run), seed=int(run.manifest["seed"]), shuffles=shuffles),
    )


def pool_size(run: Run) -> int | None:
    """Returns how many GPUs the run's pool had; None where its config does not say."""
    pool = run.manifest.get("config", {}).get("pool")
    if not isinstance(pool, dict):
        return None
    return int(pool.get("nodes", 0)) * int(pool.get("gpus_per_node", 0)) or None


def gini(amounts: Sequence[float]) -> float | None:
    """Returns the Gini coefficient of amounts of at least 0; None where nobody has any.

    Source:
        The mean absolute difference over twice the mean, by the sum over ranks.
    """
    ordered, total = sorted(amounts), sum(amounts)
    if not total:
        return None
    n = len(ordered)
    weighted = sum(rank * amount for rank, amount in enumerate(ordered, start=1))
    return 2 * weighted / (n * total) - (n + 1) / n


def awarded_calls(run: Run) -> list[Call]:
    """Returns the awarded calls with their proposals, by contract; winners who made none, never."""
    offers: dict[str, list[Offer]] = {}
    heads: dict[str, tuple[str, str, str]] = {}
    for row in run.sql(_OFFERS).iter_rows(named=True):
        offer = Offer(row["contract"], row["who"], row["price"], row["promised"])
        offers.setdefault(row["contract"], []).append(offer)
        heads[row["contract"]] = (row["task"], row["initiator"], row["winner"])
    calls = [
        Call(contract=name, task=head[0], initiator=head[1], winner=head[2], offers=tuple(made))
        for name, made in offers.items()
        for head in (heads[name],)
    ]
    return [call for call in calls if call.of(call.winner) is not None]


def shuffled_winners(calls: Sequence[Call], *, seed: int, number: int) -> list[str]:
    """Returns winners of the same calls, exchanged at random.

    Two calls of one task exchange their winners if each winner had proposed to the other's call
    too; many such exchanges in a row wander over all assignments they can reach.

    Args:
        calls: Awarded calls.
        seed: Of the run.
        number: Which shuffle; each has a stream of its own.
    """
    stream = Stream(seed=seed, owner="analysis", name=f"shuffle/{number}")
    winners = [call.winner for call in calls]
    by_task: dict[str, list[int]] = {}
    for at, call in enumerate(calls):
        by_task.setdefault(call.task, []).append(at)
    proposers = [{offer.who for offer in call.offers} for call in calls]
    for places in by_task.values():
        for _ in range(SWAPS_PER_CALL * len(places)):
            a, b = stream.choice(places), stream.choice(places)
            if winners[b] in proposers[a] and winners[a] in proposers[b]:
                winners[a], winners[b] = winners[b], winners[a]
    return winners


def _nulls(calls: Sequence[Call], *, seed: int, shuffles: int) -> dict[str, Null]:
    if not calls:
        return {}
    observed = _choice_scores(calls, [call.winner for call in calls])
    drawn = [
        _choice_scores(calls, shuffled_winners(calls, seed=seed, number=number))
        for number in range(shuffles)
    ]
    return {
        name: _null(value, sorted(scores[name] for scores in drawn))
        for name, value in observed.items()
    }


def _null(observed: float, ordered: Sequence[float]) -> Null:
    last = len(ordered) - 1
    return Null(
        observed=observed,
        mean=statistics.fmean(ordered),
        low=ordered[round(0.025 * last)],
        high=ordered[round(0.975 * last)],
        shuffles=len(ordered),
    )


def _choice_scores(calls: Sequence[Call], winners: Sequence[str]) -> dict[str, float]:
    """Scores that depend on who won what."""
    won = [call.of(winner) for call, winner in zip(calls, winners, strict=True)]
    offers = [offer for offer in won if offer is not None]
    earned: Counter[str] = Counter()
    for offer in offers:
        earned[offer.who] += offer.price
    pairs = Counter((call.initiator, who) for call, who in zip(calls, winners, strict=True))
    return {
        "mean price, credits": statistics.fmean(offer.price for offer in offers) / CREDIT,
        "mean promised time, minutes": statistics.fmean(o.promised for o in offers) / MINUTE,
        "repeated partners, share": sum(n - 1 for n in pairs.values()) / len(calls),
        "Gini of earnings": gini(list(earned.values())) or 0.0,
    }

"""What stands beside a chain of causes: bids, prices, leases, jobs, results, needs."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swarm.analysis.causes import Causes
from swarm.analysis.run import Run

Row = dict[str, Any]  # Any: values of a row

_CONTRACTS = "from contracts where contract in (select unnest($chosen::varchar[]))"
_LEASES = "from leases where contract in (select unnest($chosen::varchar[]))"
_BIDS = """
select contract, kind,
    case when kind = 'contract_net.cfp' then recipient else sender end as who,
    min(try_cast(payload->>'price' as bigint)) as price, min(payload->>'reason') as reason
from told
where contract in (select unnest($chosen::varchar[]))
    and kind in ('contract_net.cfp', 'contract_net.propose', 'contract_net.refuse')
group by all order by contract, kind, price, who
"""
_TRIALS = """
select cause, min(payload->>'part') as part,
    min(try_cast(payload->>'gain_bpb' as double)) as gain_bpb, min(payload->>'failed') as failed
from told where kind = 'finding.trial' and cause in (select unnest($ids::bigint[])) group by cause
"""
_JOBS = """
select seq, kind from messages
where phase = 3 and kind not like 'kernel.%' and kind not like 'mind.%'
    and sender in (select unnest($actors::varchar[])) order by seq
"""
_NEED = """
select seq, id, due, phase, sent, sender, recipient, kind, contract, payload from told
where seq < $before and recipient = $actor and (
    kind = 'need.announced'
    or (kind = 'treasury.credited' and not contains(split_part(payload->>'reason', ' ', 1), '/'))
) qualify row_number() over (partition by kind order by seq desc) = 1 order by seq desc
"""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Facts about the conversations of a chain, by contract."""

    part: str | None
    contracts: Mapping[str, Row]
    leases: Mapping[str, Row]
    bids: Mapping[str, Sequence[Row]]
    trials: Mapping[int, Row]
    """By the id of the message that a trial ended with."""
    jobs: Mapping[str, Counter[str]]
    """How many jobs of each kind were ordered in a conversation."""
    roots: Sequence[Row] = field(default=())
    """The last announced need, and the last income, of whoever decided."""

    @property
    def credits_spent(self) -> int:
        """Micro-credits that contracts and leases cost."""
        paid = [row["price"] or 0 for row in self.contracts.values()]
        return sum(paid) + sum(row["price"] or 0 for row in self.leases.values())

    @property
    def gpu_ticks(self) -> int:
        """GPUs times ticks that were leased."""
        held = [row for row in self.leases.values() if row["granted"] is not None and row["ended"]]
        return sum(row["gpus"] * (row["ended"] - row["granted"]) for row in held)

    @property
    def n_jobs(self) -> int:
        """Jobs that were ordered."""
        return sum(jobs.total() for jobs in self.jobs.values())


def gather(run: Run, causes: Causes, rows: Sequence[Row], *, part: str | None) -> Evidence:
    """Looks up what stands beside a chain.

    Args:
        run: An opened run.
        causes: Its causes.
        rows: The messages of the chain, latest first.
        part: The part in question, if there is one.
    """
    chosen = sorted({row["contract"] for row in rows if row["contract"]})
    contracts = run.sql(_CONTRACTS, {"chosen": chosen})
    leases = run.sql(_LEASES, {"chosen": chosen})
    bids: dict[str, list[Row]] = {}
    for bid in run.sql(_BIDS, {"chosen": chosen}).iter_rows(named=True):
        bids.setdefault(bid["contract"], []).append(bid)
    trials = run.sql(_TRIALS, {"ids": [row["id"] for row in rows]})
    decided = rows[-1] if rows else None
    roots: Iterable[Row] = ()
    if decided is not None and decided["seq"] > 0:
        asked = {"before": decided["seq"], "actor": decided["recipient"]}
        roots = run.sql(_NEED, asked).iter_rows(named=True)
    return Evidence(
        part=part or _part(rows),
        contracts={row["contract"]: row for row in contracts.iter_rows(named=True)},
        leases={row["contract"]: row for row in leases.iter_rows(named=True)},
        bids=bids,
        trials={row["cause"]: row for row in trials.iter_rows(named=True)},
        jobs=_jobs(run, causes, rows),
        roots=tuple(roots),
    )


def _part(rows: Sequence[Row]) -> str | None:
    """Returns the part that the decision at the end of the chain was about, if any was."""
    named = (json.loads(row["payload"]).get("part") for row in reversed(rows))
    return next((part for part in named if isinstance(part, str)), None)


def _jobs(run: Run, causes: Causes, rows: Sequence[Row]) -> dict[str, Counter[str]]:
    """Counts jobs by the conversation that they were ordered in, siblings of the chain's too."""
    contract_of = {row["seq"]: row["contract"] for row in rows if row["contract"]}
    ordering = {row["sender"] for row in rows if row["phase"] == 3}
    found = run.sql(_JOBS, {"actors": sorted(ordering)})
    ends = causes.conversations(found["seq"].to_numpy().astype(np.int64))
    counts: dict[str, Counter[str]] = {}
    for kind, end in zip(found["kind"], ends.tolist(), strict=True):
        if end in contract_of:
            counts.setdefault(contract_of[end], Counter())[kind] += 1
    return counts

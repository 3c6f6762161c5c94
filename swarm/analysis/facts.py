"""One run in numbers, by name: what a comparison of runs compares."""

from swarm.analysis.run import Run
from swarm.units import CREDIT, HOUR

_LOG = """
select count(*) as messages, coalesce(max(due), 0) / 3600 as hours from messages
"""
_KINDS = "select kind, count(*) as n from messages group by kind order by kind"
_CONTRACTS = """
select count(*) filter (winner is not null) as awarded,
    count(*) filter (outcome in ('failed', 'overdue', 'cancelled', 'rejected')) as breached,
    coalesce(sum(price), 0)::bigint as price
from contracts
"""
_LEASES = """
with ends as (select max(due) + 1 as over from messages)
select
    coalesce(sum(gpus * (coalesce(ended, over) - granted)) filter (granted is not null), 0)
        ::bigint as gpu_ticks,
    coalesce(sum(price), 0)::bigint as price,
    coalesce(avg(wait), 0) as wait
from leases cross join ends
"""
_JOBS = """
select count(*) as n, count(*) filter (result = 'work.job_failed') as failed from jobs
"""
_PARTS = """
select part, count(*) filter (event = 'swap') as swaps,
    count(*) filter (event = 'rollback') as rollbacks,
    coalesce(sum(gain_bpb) filter (event = 'swap'), 0) as gain
from parts group by part order by part
"""
_SCORES = """
with announced as (
    select seq, list_avg(try_cast(payload->'base_bpb' as double[])) as bpb
    from told where kind = 'ship.announced'
)
select arg_min(bpb, seq) as first, arg_max(bpb, seq) as last from announced
"""

SCORES = frozenset(
    {
        "sealed bits per byte, first",
        "sealed bits per byte, last",
        "sealed gain, bits per byte",
        "audit bits per byte, last",
        "audit gain, bits per byte",
    }
)
"""What a run has only if it was measured; anything else that is missing is none of it, so zero."""


def facts(run: Run) -> dict[str, float]:
    """Returns the facts of a run by name; the unit is in the name."""
    found: dict[str, float] = {}
    log = run.sql(_LOG).row(0, named=True)
    contracts = run.sql(_CONTRACTS).row(0, named=True)
    leases = run.sql(_LEASES).row(0, named=True)
    jobs = run.sql(_JOBS).row(0, named=True)
    parts = run.sql(_PARTS).to_dicts()
    scores = run.sql(_SCORES).row(0, named=True)
    if scores["last"] is not None:
        found["sealed bits per byte, first"] = scores["first"]
        found["sealed bits per byte, last"] = scores["last"]
        found["sealed gain, bits per byte"] = scores["first"] - scores["last"]
    audit = run.manifest.get("summary", {}).get("audit") or {}
    if "gain_bpb" in audit:
        found["audit bits per byte, last"] = float(audit["final_bpb"])
        found["audit gain, bits per byte"] = float(audit["gain_bpb"])
    found["swaps"] = sum(row["swaps"] for row in parts)
    found["rollbacks"] = sum(row["rollbacks"] for row in parts)
    for row in parts:
        found[f"gain of {row['part']}, bits per byte"] = row["gain"]
    found["virtual hours"] = log["hours"]
    found["GPU-hours"] = leases["gpu_ticks"] / HOUR
    found["mean wait for GPUs, minutes"] = leases["wait"] / 60
    found["credits for contracts"] = contracts["price"] / CREDIT
    found["credits for leases"] = leases["price"] / CREDIT
    found["contracts awarded"] = contracts["awarded"]
    found["contracts breached"] = contracts["breached"]
    found["jobs"] = jobs["n"]
    found["jobs failed"] = jobs["failed"]
    found["messages"] = log["messages"]
    for row in run.sql(_KINDS).iter_rows(named=True):
        found[f"messages {row['kind']}"] = row["n"]
    return {name: float(value) for name, value in found.items()}

"""Every movement of credits in a log, as rows: who, how much, for what.

Receipts are what the treasury told (``treasury.credited``); payments are what it secured for
contracts, charged for leases and took for rewards. So a balance is a sum of rows.
"""

import polars as pl

from swarm.analysis.run import Run

FLOWS = """
with receipts as (
    select seq, due, recipient as actor, try_cast(payload->>'amount' as bigint) as amount,
        split_part(payload->>'reason', ' ', 1) as first,
        split_part(payload->>'reason', ' ', 2) as second
    from told where kind = 'treasury.credited'
),
received as (
    select seq, due, actor, amount,
        case when contains(first, '/') then second else 'income' end as sort,
        case when contains(first, '/') then first end as contract
    from receipts
),
leases as (
    select contract, min(recipient) as broker from told where kind = 'treasury.charged' group by 1
),
rewards as (
    select contract, min(sender) as actor from told where kind = 'treasury.royalty' group by 1
)
select * from received
union all
select seq, due, recipient, -try_cast(payload->>'amount' as bigint), 'contract', contract
from told where kind = 'treasury.secured' and recipient = split_part(contract, '/', 1)
union all
select seq, due, split_part(contract, '/', 1), -try_cast(payload->>'amount' as bigint),
    'lease', contract
from told where kind = 'treasury.charged'
union all
select seq, due, recipient, try_cast(payload->>'amount' as bigint), 'rent', contract
from told where kind = 'treasury.charged'
union all
select seq, due, broker, -amount, 'lease', received.contract
from received join leases using (contract) where sort = 'withdrawn'
union all
select seq, due, rewards.actor, -amount, 'reward', received.contract
from received join rewards using (contract) where sort = 'royalty'
"""
"""``sort`` is income, rent (of a broker) or the treasury's own word of a receipt: advance, paid,
royalty, refunded, withdrawn; contract, lease or reward of a payment, whose amount is negative."""

_FLOWS = f"{FLOWS} order by seq, amount"
_BY_ROLE = f"""
select role, sort, sum(amount)::bigint as amount, count(*) as n
from ({FLOWS}) f join actors a on a.actor = f.actor group by 1, 2 order by 1, 2
"""  # noqa: S608
_BY_ACTOR = f"""
select f.actor as actor, sum(amount)::bigint as balance,
    (sum(amount) filter (amount > 0))::bigint as received,
    (-sum(amount) filter (amount < 0))::bigint as spent
from ({FLOWS}) f group by 1 order by 1
"""  # noqa: S608


def flows(run: Run) -> pl.DataFrame:
    """Returns the movements of a run in order, amounts in micro-credits."""
    return run.sql(_FLOWS)


def by_role(run: Run) -> pl.DataFrame:
    """Returns for each role and sort the sum of its movements, and how many there were."""
    return run.sql(_BY_ROLE)


def by_actor(run: Run) -> pl.DataFrame:
    """Returns balance, receipts and payments of every actor that ever had any."""
    return run.sql(_BY_ACTOR).with_columns(pl.col("received", "spent").fill_null(0))

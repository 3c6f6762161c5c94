"""The questions that the README answers by SQL, checked against the tables they come from."""

from collections import Counter

import polars as pl
import pytest

from swarm.analysis.market import awarded_calls
from swarm.analysis.money import by_role
from swarm.analysis.run import Run
from swarm.units import CREDIT

WHICH_CONTRACT_LED_TO_EACH_SWAP = """
select p.part, p.contract, c.winner as replicated_by, c.price / 1e6 as credits
from parts p join contracts c using (contract) where p.event = 'swap' order by p.tick
"""
WHAT_EACH_ROLE_SPENT = """
select role, sum(price) / 1e6 as credits
from (
    select initiator as actor, price from contracts where outcome = 'accepted'
    union all select holder, price from leases where granted is not null
) join actors using (actor) group by role order by credits desc
"""
WHO_WAS_OUTBID_MOST = """
select p.sender as actor, count(*) as times
from told p join contracts c using (contract)
where p.kind = 'contract_net.propose' and c.winner <> p.sender
group by actor order by times desc, actor limit 5
"""
HOW_LONG_A_GPU_REQUEST_WAITED = """
select a.role, count(*) as requests, median(l.wait) / 60 as median_minutes,
    max(l.wait) / 60 as longest_minutes
from leases l join actors a on a.actor = l.holder
where l.granted is not null group by a.role order by a.role
"""

pytestmark = pytest.mark.slow


def test_which_contract_led_to_each_swap(lab_run: Run) -> None:
    rows = lab_run.sql(WHICH_CONTRACT_LED_TO_EACH_SWAP).to_dicts()

    swaps = lab_run.parts.filter(pl.col("event") == "swap").to_dicts()
    assert [(row["part"], row["replicated_by"]) for row in rows] == [
        (swap["part"], swap["replicator"]) for swap in swaps
    ]
    assert rows
    assert all(row["credits"] > 0 for row in rows)


def test_what_each_role_spent(lab_run: Run) -> None:
    spent = dict(lab_run.sql(WHAT_EACH_ROLE_SPENT).iter_rows())

    moved: Counter[str] = Counter()
    for row in by_role(lab_run).to_dicts():
        if row["sort"] in {"contract", "lease"}:
            moved[row["role"]] -= row["amount"]
    assert spent == pytest.approx({role: amount / CREDIT for role, amount in moved.items()})


def test_who_was_outbid_most(lab_run: Run) -> None:
    rows = lab_run.sql(WHO_WAS_OUTBID_MOST).rows()

    lost = Counter(
        offer.who
        for call in awarded_calls(lab_run)
        for offer in call.offers
        if offer.who != call.winner
    )
    assert rows == sorted(lost.items(), key=lambda one: (-one[1], one[0]))[:5]


def test_how_long_a_gpu_request_waited(lab_run: Run) -> None:
    rows = lab_run.sql(HOW_LONG_A_GPU_REQUEST_WAITED).to_dicts()

    leases = lab_run.leases.filter(pl.col("granted").is_not_null())
    assert sum(row["requests"] for row in rows) == len(leases)
    assert max(row["longest_minutes"] for row in rows) * 60 == leases["wait"].max()

import pytest

import swarm
from swarm.analysis.money import by_actor, by_role, flows
from swarm.analysis.run import Run
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits
from tests.story import Story

R0, R1, V0, BANK, BROKER = (
    "researcher-0",
    "researcher-1",
    "reviewer-0",
    "treasury-0",
    "gpu_broker-0",
)
C, L = ContractId("researcher-0/1"), ContractId("researcher-0/2")


def credited(story: Story, to: str, amount: int, reason: str) -> None:
    message = money.Credited(amount=Credits(amount), balance=Credits(0), reason=reason)
    story.tell(9, BANK, to, message)


def test_every_movement_is_a_row_with_its_sort(story: Story) -> None:
    credited(story, R0, 100, "epoch 1, optimizer")
    for one in (R0, V0):
        story.tell(10, BANK, one, money.Secured(contract=C, amount=Credits(30)))
    story.tell(10, BANK, BROKER, money.Charged(contract=L, amount=Credits(20)))
    credited(story, V0, 30, f"{C} paid")
    shares = ((ActorId(R0), 3), (ActorId(V0), 1))
    story.tell(11, R1, BANK, money.Royalty(contract=C, amount=Credits(8), shares=shares))
    credited(story, R0, 6, f"{C} royalty")
    credited(story, V0, 2, f"{C} royalty")

    run = swarm.load_run(story.write())

    rows = {(row["actor"], row["sort"]): row["amount"] for row in flows(run).to_dicts()}
    assert rows[R0, "income"] == 100
    assert rows[R0, "contract"] == -30
    assert rows[V0, "paid"] == 30
    assert (rows[R0, "lease"], rows[BROKER, "rent"]) == (-20, 20)
    assert (rows[R0, "royalty"], rows[V0, "royalty"]) == (6, 2)
    assert sum(row["amount"] for row in flows(run).to_dicts() if row["actor"] == R1) == -8
    assert by_actor(run)["balance"].sum() == 100


def test_a_price_that_comes_back_leaves_the_broker(story: Story) -> None:
    story.tell(10, BANK, BROKER, money.Charged(contract=L, amount=Credits(20)))
    credited(story, R0, 20, f"{L} withdrawn")

    accounts = by_actor(swarm.load_run(story.write()))

    assert dict(accounts.select("actor", "balance").iter_rows()) == {R0: 0, BROKER: 0}


def test_roles_sum_over_their_actors(story: Story) -> None:
    credited(story, R0, 5, "epoch 1")
    credited(story, R1, 7, "epoch 1")

    assert by_role(swarm.load_run(story.write())).to_dicts() == [
        {"role": "researcher", "sort": "income", "amount": 12, "n": 2}
    ]


@pytest.mark.slow
def test_balances_and_open_escrows_are_what_was_granted(lab_run: Run) -> None:
    held = """
        with opened as (
            select contract, min(try_cast(payload->>'amount' as bigint)) as amount from told
            where kind = 'treasury.secured' group by 1
        )
        select coalesce(sum(amount), 0)::bigint from opened where contract not in (
            select contract from told where kind = 'treasury.release'
        )"""
    granted = """select sum(try_cast(payload->>'amount' as bigint))::bigint from told
        where kind = 'treasury.grant'"""

    balances = by_actor(lab_run)["balance"]

    assert balances.sum() + lab_run.sql(held).item() == lab_run.sql(granted).item()
    assert balances.min() >= 0  # type: ignore[operator]


@pytest.mark.slow
def test_rows_add_up_to_the_balances_that_the_treasury_told(lab_run: Run) -> None:
    told = lab_run.sql(
        """select recipient as actor, due, try_cast(payload->>'balance' as bigint) as balance
        from told where kind = 'treasury.credited'
        qualify row_number() over (partition by recipient order by seq desc) = 1"""
    )
    moved = flows(lab_run).to_dicts()

    for row in told.to_dicts():
        mine = [one for one in moved if one["actor"] == row["actor"] and one["due"] <= row["due"]]
        same_tick = [one for one in mine if one["due"] == row["due"] and one["amount"] < 0]
        if not same_tick:
            assert sum(one["amount"] for one in mine) == row["balance"]
    assert len(told) > 10

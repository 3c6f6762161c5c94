import json

import numpy as np
import pytest

import swarm
from swarm.analysis.causes import Causes, Link
from swarm.analysis.run import Run
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import need
from swarm.comms.messages import treasury as money
from swarm.comms.messages.work import Start
from swarm.kernel.envelope import ACT
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits
from tests.story import Story

R0, R1, V0, V1 = "researcher-0", "researcher-1", "reviewer-0", "reviewer-1"
BANK, BROKER = "treasury-0", "gpu_broker-0"
C, D = ContractId("researcher-0/1"), ContractId("researcher-1/1")


def escrow(contract: ContractId) -> money.Escrow:
    return money.Escrow(contract=contract, payee=ActorId(V0), amount=Credits(5))


def secured(contract: ContractId) -> money.Secured:
    return money.Secured(contract=contract, amount=Credits(5))


def credited(reason: str) -> money.Credited:
    return money.Credited(amount=Credits(5), balance=Credits(5), reason=reason)


def kinds(story: Story, seq: int) -> list[tuple[str, bool]]:
    causes = Causes(swarm.load_run(story.write()))
    return [(causes.kind(link.seq), link.is_inferred) for link in causes.chain(seq)]


def test_a_chain_follows_the_recorded_causes_to_the_start(story: Story) -> None:
    start = story.tell(0, R0, R0, Start())
    call = story.tell(2, R0, V0, cn.Refuse(contract=C, reason="x"), cause=start)
    story.tell(4, V0, R1, cn.Refuse(contract=C, reason="y"), cause=call)

    found = kinds(story, 2)

    assert found == [
        ("contract_net.refuse", False),
        ("contract_net.refuse", False),
        ("work.start", False),
    ]


def test_a_round_that_serves_two_contracts_is_looked_through(story: Story) -> None:
    start = story.tell(0, R0, R0, Start())
    other = story.tell(5, R1, BANK, escrow(D), cause=start)
    story.tell(5, R0, BANK, escrow(C), cause=start)
    # The treasury's timer was set by the first order of that instant, which is the other's.
    books = story.tell(6, BANK, BANK, money.BooksDue(), phase=ACT, cause=other)
    story.tell(7, BANK, V0, secured(C), cause=books)
    causes = Causes(swarm.load_run(story.write()))

    link = causes.back(4)

    assert link is not None
    assert link.is_inferred
    (row,) = causes.rows([link.seq]).values()
    assert (row["sender"], row["kind"]) == (R0, "treasury.escrow")


def test_a_round_without_a_trace_of_the_contract_stands_as_recorded(story: Story) -> None:
    start = story.tell(0, R0, R0, Start())
    books = story.tell(6, BANK, BANK, money.BooksDue(), phase=ACT, cause=start)
    story.tell(7, BANK, V0, secured(C), cause=books)

    assert Causes(swarm.load_run(story.write())).back(2) == Link(1, is_inferred=False)


def test_credits_lead_back_to_the_grant_and_the_grant_to_who_asked(story: Story) -> None:
    start = story.tell(0, R0, R0, Start())
    sought = need.ReviewSought(part="p", gain_bpb=0.2, amount=Credits(5), replaces="{}")
    asked = story.tell(2, R1, V1, sought, cause=start)
    story.tell(2, R0, V1, sought, cause=start)
    due = story.tell(3, V1, V1, need.FundingDue(), phase=ACT, cause=asked)
    grant = money.Grant(to=ActorId(R0), amount=Credits(5), reason="review of p")
    order = story.tell(4, V1, BANK, grant, cause=due)
    books = story.tell(5, BANK, BANK, money.BooksDue(), phase=ACT, cause=order)
    story.tell(6, BANK, R0, credited("review of p"), cause=books)

    found = kinds(story, 6)

    assert found == [
        ("treasury.credited", False),
        ("treasury.grant", True),
        ("need.review_sought", True),
        ("work.start", False),
    ]


def test_a_payment_leads_back_to_the_release_of_its_contract(story: Story) -> None:
    start = story.tell(0, R0, R0, Start())
    first = story.tell(2, R1, BANK, money.Release(contract=D, is_accepted=True), cause=start)
    story.tell(2, R0, BANK, money.Release(contract=C, is_accepted=True), cause=start)
    books = story.tell(3, BANK, BANK, money.BooksDue(), phase=ACT, cause=first)
    story.tell(4, BANK, V0, credited(f"{C} paid"), cause=books)
    causes = Causes(swarm.load_run(story.write()))

    link = causes.back(4)

    assert link is not None
    (row,) = causes.rows([link.seq]).values()
    assert row["contract"] == C


def test_a_job_belongs_to_the_nearest_conversation_before_it(story: Story) -> None:
    start = story.tell(0, R0, R0, Start())
    call = story.tell(2, R0, V0, cn.BiddingClosed(contract=C), cause=start)
    story.tell(3, V0, V0, Start(), cause=call)
    causes = Causes(swarm.load_run(story.write()))

    found = causes.conversations(np.array([0, 1, 2]))

    assert found.tolist() == [-1, 1, 1]


def test_a_cause_that_is_not_in_the_log_ends_the_chain(story: Story) -> None:
    story.tell(3, R0, V0, cn.BiddingClosed(contract=C), cause=12345)

    assert kinds(story, 0) == [("contract_net.bidding_closed", False)]


def test_an_empty_log_has_no_causes(story: Story) -> None:
    assert len(Causes(swarm.load_run(story.write()))) == 0


@pytest.mark.slow
def test_every_chain_of_a_lab_goes_back_in_time_to_the_start(lab_run: Run) -> None:
    causes = Causes(lab_run)

    for seq in range(0, len(causes), 97):
        seqs = [link.seq for link in causes.chain(seq)]
        assert seqs == sorted(seqs, reverse=True)
        assert causes.kind(seqs[-1]) in {"work.start", "kernel.noted"}


@pytest.mark.slow
def test_the_chain_of_a_swap_meets_the_idea_that_was_swapped_in(lab_run: Run) -> None:
    causes = Causes(lab_run)
    query = """select min(seq) as seq, payload->>'part' as part, payload->>'value' as value
        from told where kind = 'ship.swapped' group by payload"""
    # Checkpoints are made and environments are bought: no mind has the idea.
    made = ("checkpoint", "environments")
    swaps = [row for row in lab_run.sql(query).to_dicts() if row["part"] not in made]

    for swap in swaps:
        rows = causes.rows(link.seq for link in causes.chain(swap["seq"]))
        ideas = [row for row in rows.values() if row["kind"] == "mind.part_proposed"]
        assert swap["value"] in [json.loads(idea["payload"])["value"] for idea in ideas]
    assert swaps, "a lab without swaps proves nothing"

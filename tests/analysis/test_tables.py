from typing import Any

import pytest

import swarm
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, mind, ship, work
from swarm.comms.messages import lease as gpu
from swarm.comms.messages import treasury as money
from swarm.comms.messages.subcontract import Carry
from swarm.kernel.envelope import ACT, RECORD, RELEASE
from swarm.kernel.message import ActorId, ContractId, Message
from swarm.kernel.record import Noted
from swarm.pipeline.evaluation.spec import Evaluate, Evaluated
from swarm.pipeline.wire import codec
from swarm.units import Credits, Ticks
from tests.story import Story

R0, R1 = "researcher-0", "researcher-1"
V0, V1 = "reviewer-0", "reviewer-1"
BANK, BROKER = "treasury-0", "gpu_broker-0"
C = ContractId("researcher-0/1")


def call(contract: ContractId = C) -> cn.CallForProposals:
    return cn.CallForProposals(
        contract=contract,
        task="replicate",
        terms="{}",
        max_price=Credits(100),
        deadline=Ticks(20),
    )


def award(story: Story) -> None:
    """A call to two reviewers, of whom the second wins for 30."""
    for reviewer in (V0, V1):
        story.tell(11, R0, reviewer, call())
    story.tell(13, V0, R0, cn.Refuse(contract=C, reason="busy"))
    bid = cn.Propose(contract=C, proposer=ActorId(V1), price=Credits(30), ends_at=Ticks(90))
    story.tell(13, V1, R0, bid)
    story.tell(20, R0, R0, cn.BiddingClosed(contract=C), phase=ACT)
    story.tell(21, R0, V1, cn.AcceptProposal(contract=C, price=Credits(30)))


def release(*, is_accepted: bool) -> money.Release:
    return money.Release(contract=C, is_accepted=is_accepted)


def only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(rows) == 1
    return rows[0]


def test_a_contract_is_one_row_from_call_to_payment(story: Story) -> None:
    award(story)
    story.tell(60, V1, R0, cn.InformResult(contract=C, result="{}"))
    story.tell(62, R0, BANK, release(is_accepted=True))

    row = only(swarm.load_run(story.write()).contracts.to_dicts())

    assert row == {
        "contract": C,
        "initiator": R0,
        "task": "replicate",
        "winner": V1,
        "price": 30,
        "opened": 10,
        "closed": 61,
        "outcome": "accepted",
    }


@pytest.mark.parametrize(
    ("after", "outcome", "closed"),
    [
        ([], "working", None),
        ([(40, V1, R0, cn.InformResult(contract=C, result="{}"))], "informed", None),
        ([(40, V1, R0, cn.Failure(contract=C, reason="x"))], "failed", 40),
        ([(40, R0, V1, cn.Cancel(contract=C, reason="x"))], "cancelled", 39),
        (
            [(40, BANK, R0, money.Denied(contract=C, amount=Credits(3), balance=Credits(0)))],
            "denied",
            40,
        ),
        ([(95, R0, BANK, release(is_accepted=False))], "overdue", 94),
        (
            [
                (40, V1, R0, cn.InformResult(contract=C, result="{}")),
                (42, R0, BANK, release(is_accepted=False)),
            ],
            "rejected",
            41,
        ),
    ],
)
def test_a_contract_says_how_it_ended(
    story: Story, after: list[tuple[int, str, str, Message]], outcome: str, closed: int | None
) -> None:
    award(story)
    for due, sender, recipient, message in after:
        story.tell(due, sender, recipient, message)

    row = only(swarm.load_run(story.write()).contracts.to_dicts())

    assert (row["outcome"], row["closed"]) == (outcome, closed)


def test_a_call_that_nobody_answers_closes_with_the_bidding(story: Story) -> None:
    story.tell(11, R0, V0, call())
    story.tell(20, R0, R0, cn.BiddingClosed(contract=C), phase=ACT)

    row = only(swarm.load_run(story.write()).contracts.to_dicts())

    assert (row["outcome"], row["closed"], row["winner"]) == ("no_proposal", 20, None)


def test_carried_messages_count_once_where_they_arrive(story: Story) -> None:
    def carry(to: str, message: Message) -> Carry:
        payload = codec().encode(message).decode()
        return Carry(origin=ActorId(R0), to=ActorId(to), contract=C, payload=payload)

    for due, sender, recipient in ((11, R0, R1), (12, R1, V0)):
        story.tell(due, sender, recipient, carry(V0, call()))
    accept = cn.AcceptProposal(contract=C, price=Credits(5))
    for due, sender, recipient in ((21, R0, R1), (22, R1, V0)):
        story.tell(due, sender, recipient, carry(V0, accept))

    run = swarm.load_run(story.write())

    row = only(run.contracts.to_dicts())
    assert (row["initiator"], row["winner"], row["price"]) == (R0, V0, 5)
    assert run.sql("select sender, kind from told order by seq").rows() == [
        (R0, "contract_net.cfp"),
        (R0, "contract_net.accept"),
    ]


def request(contract: str, n_gpus: int) -> gpu.Request:
    return gpu.Request(
        contract=ContractId(contract),
        gpus=n_gpus,
        duration=Ticks(3_600),
        bid=Credits(50),
        purpose="training",
    )


def grant(contract: str, *devices: str) -> gpu.Granted:
    return gpu.Granted(
        contract=ContractId(contract), gpus=devices, ends_at=Ticks(9_000), price=Credits(40)
    )


def test_a_lease_is_one_row_from_request_to_end(story: Story) -> None:
    story.tell(101, R0, BROKER, request("a", 2))
    story.tell(161, BROKER, R0, grant("a", "n0/0", "n0/1"))
    story.tell(1_000, R0, BROKER, gpu.Release(contract=ContractId("a")))

    row = only(swarm.load_run(story.write()).leases.to_dicts())

    assert row["holder"] == R0
    assert (row["requested"], row["granted"], row["ended"]) == (101, 160, 1_000)
    assert (row["gpus"], row["price"], row["wait"]) == (2, 40, 59)
    assert (row["outcome"], row["devices"]) == ("released", ["n0/0", "n0/1"])


def test_a_lease_says_how_it_ended(story: Story) -> None:
    names = ("expired", "refused", "pending", "running", "withdrawn")
    for name in names:
        story.tell(5, R0, BROKER, request(name, 1))
    for name in ("expired", "running"):
        story.tell(9, BROKER, R0, grant(name, "n0/0"))
    story.tell(99, BROKER, R0, gpu.Ended(contract=ContractId("expired")))
    story.tell(9, BROKER, R0, gpu.Refused(contract=ContractId("refused"), reason="too large"))
    story.tell(9, R0, BROKER, gpu.Release(contract=ContractId("withdrawn")))

    leases = swarm.load_run(story.write()).leases

    assert {row["contract"]: row["outcome"] for row in leases.to_dicts()} == {n: n for n in names}
    assert {row["contract"]: row["ended"] for row in leases.to_dicts()} == {
        "expired": 98,
        "refused": 8,
        "pending": None,
        "running": None,
        "withdrawn": 9,
    }


def evaluate(seed: int) -> Evaluate:
    return Evaluate(corpus="c", artifact="a", split="sealed", seed=seed)


def test_a_job_is_joined_with_its_answer(story: Story) -> None:
    first = story.tell(5, R0, R0, evaluate(1), phase=RECORD)
    second = story.tell(5, R0, R0, evaluate(2), phase=RECORD)
    story.tell(6, R1, R1, evaluate(3), phase=RECORD)
    done = Evaluated(bpb=3.0, domain_bpb=(), block_bpb=(), n_bytes=1)
    story.tell(50, R0, R0, done, phase=RELEASE, cause=second)
    failed = work.JobFailed(kind="missing", reason="no artifact")
    story.tell(60, R0, R0, failed, phase=RELEASE, cause=first)

    jobs = swarm.load_run(story.write()).jobs

    assert jobs.select("actor", "tag", "ordered", "due", "result").rows() == [
        (R0, "evaluation.evaluate", 5, 60, "work.job_failed"),
        (R0, "evaluation.evaluate", 5, 50, "evaluation.evaluated"),
        (R1, "evaluation.evaluate", 6, None, None),
    ]
    assert '"seed":2' in jobs["spec"][1]


def test_notes_and_questions_are_no_jobs(story: Story) -> None:
    story.tell(5, R0, R0, Noted(text="a thought"), phase=RECORD)
    question = mind.ProposePart(part="optimizer", current="{}", history=(), notes=(), seed=1)
    story.tell(5, R0, R0, question, phase=RECORD)

    run = swarm.load_run(story.write())

    assert len(run.jobs) == 0
    assert run.metrics["jobs"].to_list() == [0]


def swapped(gain: float) -> ship.Swapped:
    return ship.Swapped(
        contract=C,
        part="optimizer",
        value="{}",
        old_hash="a",
        new_hash="b",
        author=ActorId(R0),
        replicator=ActorId(V0),
        gain_bpb=gain,
        gain_low_bpb=gain - 0.1,
        gain_high_bpb=gain + 0.1,
        n_replications=8,
    )


def test_swaps_and_rollbacks_appear_once_however_many_were_told(story: Story) -> None:
    for recipient in (R0, V0):
        story.tell(7, BROKER, recipient, swapped(0.5))
    undone = ship.RolledBack(
        contract=C, part="optimizer", from_hash="b", to_hash="a", reason="a regression"
    )
    for recipient in (R0, V0):
        story.tell(9, BROKER, recipient, undone)

    swap, rollback = swarm.load_run(story.write()).parts.to_dicts()

    assert (swap["event"], swap["tick"], swap["gain_bpb"], swap["author"]) == ("swap", 6, 0.5, R0)
    assert (rollback["event"], rollback["old_hash"], rollback["new_hash"]) == ("rollback", "b", "a")
    assert rollback["reason"] == "a regression"


def announced(*base_bpb: float) -> ship.Announced:
    return ship.Announced(generation=0, manifest="m", parts=(), base_bpb=base_bpb)


def test_metrics_have_a_row_for_every_hour(story: Story) -> None:
    story.tell(1, BROKER, R0, announced(4.0, 5.0))
    story.tell(1_801, R0, BROKER, request("a", 4), sent=1_800)
    story.tell(1_801, BROKER, R0, grant("a", "n0/0"), sent=1_800)
    story.tell(3 * 3_600, R0, BROKER, gpu.Release(contract=ContractId("a")))
    story.tell(3 * 3_600 + 1_799, BROKER, R0, announced(3.0))
    story.tell(3 * 3_600 + 1_799, R0, R0, evaluate(1), phase=RECORD)

    metrics = swarm.load_run(story.write()).metrics

    assert metrics["hour"].to_list() == [0, 1, 2, 3]
    assert metrics["messages"].to_list() == [3, 0, 0, 3]
    assert metrics["jobs"].to_list() == [0, 0, 0, 1]
    assert metrics["gpus_leased"].to_list() == [2.0, 4.0, 4.0, 0.0]
    assert metrics["base_bpb"].to_list() == [4.5, 4.5, 4.5, 3.0]


def test_every_table_can_be_queried_by_name(story: Story) -> None:
    award(story)
    run = swarm.load_run(story.write())

    for name in ("contracts", "leases", "jobs", "parts", "metrics"):
        assert run.sql(f"from {name}").equals(getattr(run, name))


def test_a_trial_without_contract_is_in_no_contract(story: Story) -> None:
    trial = finding.Trial(author=ActorId(R0), part="p", value="{}", base="b", gain_bpb=0.1)
    story.tell(2, R0, R1, trial)

    run = swarm.load_run(story.write())

    assert len(run.contracts) == 0

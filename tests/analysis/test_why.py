import json

import pytest

import swarm
from swarm.analysis.run import Run
from swarm.analysis.why import why
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import lease as gpu
from swarm.comms.messages.gossip import Token
from swarm.comms.messages.work import Start
from swarm.errors import UsageError
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks
from tests.story import Story

R0, R1, V0, V1 = "researcher-0", "researcher-1", "reviewer-0", "reviewer-1"
BROKER = "gpu_broker-0"
C = ContractId("researcher-0/1")


def test_a_contract_is_told_with_its_bids_its_price_and_its_outcome(story: Story) -> None:
    start = story.tell(0, R0, R0, Start())
    call = cn.CallForProposals(
        contract=C, task="replicate", terms="{}", max_price=Credits(9), deadline=Ticks(9)
    )
    asked = story.tell(2, R0, V0, call, cause=start)
    story.tell(2, R0, V1, call, cause=start)
    story.tell(3, V0, R0, cn.Refuse(contract=C, reason="busy"), cause=asked)
    offer = cn.Propose(
        contract=C, proposer=ActorId(V1), price=Credits(2_500_000), ends_at=Ticks(50)
    )
    offered = story.tell(3, V1, R0, offer, cause=asked)
    won = cn.AcceptProposal(contract=C, price=Credits(2_500_000))
    accepted = story.tell(5, R0, V1, won, cause=offered)
    story.tell(9, V1, R0, cn.InformResult(contract=C, result="{}"), cause=accepted)

    found = why(swarm.load_run(story.write()), "6")

    assert [step.text for step in found.steps] == [
        "reviewer-1 did replicate for researcher-0 for 2.50 credits",
        "the run began for researcher-0",
    ]
    assert "2 asked, 1 proposed at 2.50 credits, 1 refused (busy)" in found.steps[0].details
    assert "contract researcher-0/1: informed" in found.steps[0].details
    assert found.credits_spent == 2_500_000


def test_a_lease_is_told_with_its_size_its_price_and_its_wait(story: Story) -> None:
    start = story.tell(0, R0, R0, Start())
    request = gpu.Request(
        contract=C, gpus=2, duration=Ticks(3_600), bid=Credits(3_000_000), purpose="a trial"
    )
    asked = story.tell(60, R0, BROKER, request, cause=start)
    grant = gpu.Granted(contract=C, gpus=("n/0", "n/1"), ends_at=Ticks(9), price=Credits(1_000_000))
    granted = story.tell(181, BROKER, R0, grant, cause=asked)
    story.tell(3_780, R0, BROKER, gpu.Release(contract=C), cause=granted)

    found = why(swarm.load_run(story.write()), "#3")

    assert found.steps[0].text == "researcher-0 had 2 GPUs for 1.00 credits: a trial"
    assert "lease researcher-0/1: held 1 h, bid 3.00, waited 2 min" in found.steps[0].details
    assert found.gpu_ticks == 2 * 3_600


def test_messages_of_one_kind_in_a_row_are_one_step(story: Story) -> None:
    cause = story.tell(0, R0, R0, Start())
    for due in range(1, 6):
        sender, recipient = (R0, R1) if due % 2 else (R1, R0)
        cause = story.tell(due, sender, recipient, Token(text="hop"), cause=cause)

    found = why(swarm.load_run(story.write()), "5")

    assert [len(step.seqs) for step in found.steps] == [5, 1]
    assert found.steps[0].details == ("and 4 messages of this kind before it",)


def test_what_lies_between_two_stretches_of_a_conversation_is_indented(story: Story) -> None:
    inner = ContractId("reviewer-0/1")
    start = story.tell(0, R0, R0, Start())
    asked = story.tell(2, R0, V0, cn.AcceptProposal(contract=C, price=Credits(1)), cause=start)
    sub = cn.AcceptProposal(contract=inner, price=Credits(1))
    asked = story.tell(4, V0, V1, sub, cause=asked)
    asked = story.tell(6, V1, V0, cn.InformResult(contract=inner, result="{}"), cause=asked)
    story.tell(8, V0, R0, cn.InformResult(contract=C, result="{}"), cause=asked)

    found = why(swarm.load_run(story.write()), "4")

    assert [(step.contract, step.depth) for step in found.steps] == [
        (C, 0),
        (inner, 1),
        (C, 0),
        (None, 0),
    ]
    drawn = found.lines()
    assert drawn[1].startswith("├─ ")
    assert drawn[2].startswith("│  └─ ")
    assert drawn[-2].startswith("└─ ")


@pytest.mark.slow
def test_a_swap_is_told_from_its_test_down_to_the_need(lab_run: Run) -> None:
    is_idea = lab_run.parts["part"].is_in(["optimizer", "architecture", "mixture"])
    swaps = lab_run.parts.filter((lab_run.parts["event"] == "swap") & is_idea)
    swap = swaps.filter(swaps["part"] == swaps["part"][0]).row(-1, named=True)

    found = why(lab_run, swap["part"])

    kinds = {row["kind"] for row in _rows(lab_run, [link.seq for link in found.chain])}
    assert {"ship.swapped", "ship.proposed", "contract_net.inform_result"} <= kinds
    told = "\n".join(found.lines())
    assert f"made by {swap['author']}, replicated by {swap['replicator']}" in told
    assert f"gain {swap['gain_bpb']:.3f}" in told
    assert "did replicate for" in told
    assert "announced the needs of epoch" in told
    assert found.credits_spent > 0
    assert found.gpu_ticks > 0
    assert found.jobs > 0


@pytest.mark.slow
def test_a_lab_whose_messages_are_carried_is_told_like_any_other(
    lab_run: Run, carried_run: Run
) -> None:
    trained = ("optimizer", "architecture", "mixture", "sft", "reward", "rl")
    part = next(one for one in carried_run.parts["part"] if one in trained)

    found = why(carried_run, part)

    told = "\n".join(step.text for step in found.steps)
    for words in (
        f" swapped {part}: ",
        " and proposed it: ",
        "did evaluate for integrator-0",
        "integrator-0 had 4 GPUs",
        "did replicate for",
        "the mind of",
        "needs of epoch",
    ):
        assert words in told
    assert "subcontract.carry" not in told


@pytest.mark.slow
def test_prices_add_up_over_the_conversations_of_the_steps(lab_run: Run) -> None:
    part = lab_run.parts["part"][0]

    found = why(lab_run, part)

    names = {step.contract for step in found.steps if step.contract}
    paid = sum(
        row["price"] or 0 for row in lab_run.contracts.to_dicts() if row["contract"] in names
    )
    paid += sum(row["price"] or 0 for row in lab_run.leases.to_dicts() if row["contract"] in names)
    assert found.credits_spent == paid


@pytest.mark.slow
def test_a_version_a_part_and_the_message_of_a_swap_are_one_question(lab_run: Run) -> None:
    swap = lab_run.parts.row(-1, named=True)

    by_hash = why(lab_run, swap["new_hash"][:6])

    by_seq = why(lab_run, str(by_hash.steps[0].seq))
    assert by_hash.steps[0].text == by_seq.steps[0].text
    assert by_hash.chain == by_seq.chain


@pytest.mark.slow
def test_the_object_is_json_and_holds_the_whole_chain(lab_run: Run) -> None:
    found = why(lab_run, lab_run.parts["part"][0])

    read = json.loads(json.dumps(found.as_object()))

    assert len(read["chain"]) == len(found.chain)
    assert read["chain"][-1]["seq"] == found.chain[-1].seq
    assert {link["is_inferred"] for link in read["chain"]} == {True, False}
    assert [step["text"] for step in read["steps"]] == [step.text for step in found.steps]


@pytest.mark.slow
def test_a_part_that_nobody_changed_says_so(lab_run: Run) -> None:
    found = why(lab_run, "curriculum")

    assert found.lines() == ["curriculum is as it was launched: no swap of it is in the log"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["steering", "ffffffff", "99999999", "ab", ""])
def test_what_is_unknown_is_answered_with_what_there_is(lab_run: Run, what: str) -> None:
    with pytest.raises(UsageError) as refused:
        why(lab_run, what)

    said = str(refused.value)
    assert said.startswith(f"{what!r} is unknown: the run has the parts architecture, ")
    assert lab_run.parts["new_hash"][0][:8] in said
    assert "sequence numbers 0 to " in said


def test_a_run_without_ship_names_its_sequence_numbers(gossip_run: Run) -> None:
    with pytest.raises(UsageError, match="the run has no ship, and sequence numbers 0 to 79"):
        why(gossip_run, "optimizer")


def test_an_empty_log_has_nothing_to_ask_about(story: Story) -> None:
    with pytest.raises(UsageError, match="the run has no ship, and no messages"):
        why(swarm.load_run(story.write()), "0")


def _rows(run: Run, seqs: list[int]) -> list[dict[str, str]]:
    query = "select kind from told where seq in (select unnest($seqs::bigint[]))"
    return run.sql(query, {"seqs": seqs}).to_dicts()

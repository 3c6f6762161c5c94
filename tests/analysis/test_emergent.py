from pathlib import Path

import networkx as nx
import pytest

import swarm
from swarm.analysis.emergent import (
    forward_graph,
    main_order,
    mine,
    order_bits,
    supply,
    write_graphml,
)
from swarm.analysis.run import Run
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import lease as gpu
from swarm.comms.messages.work import Start
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks
from tests.story import Story

R0, V0, BROKER = "researcher-0", "reviewer-0", "gpu_broker-0"
REVIEW = ContractId("researcher-0/1")
LEASE = ContractId("reviewer-0/1")


def review_with_lease(story: Story) -> None:
    """A researcher buys a review, for which the reviewer leases GPUs."""
    start = story.tell(0, R0, R0, Start())
    ask = cn.CallForProposals(
        contract=REVIEW, task="replicate", terms="{}", max_price=Credits(9), deadline=Ticks(9)
    )
    asked = story.tell(11, R0, V0, ask, cause=start)
    offer = cn.Propose(contract=REVIEW, proposer=ActorId(V0), price=Credits(7), ends_at=Ticks(99))
    offered = story.tell(12, V0, R0, offer, cause=asked)
    won = story.tell(
        13, R0, V0, cn.AcceptProposal(contract=REVIEW, price=Credits(7)), cause=offered
    )
    request = gpu.Request(
        contract=LEASE, gpus=2, duration=Ticks(60), bid=Credits(5), purpose="seeds"
    )
    requested = story.tell(21, V0, BROKER, request, cause=won)
    grant = gpu.Granted(contract=LEASE, gpus=("n/0", "n/1"), ends_at=Ticks(90), price=Credits(4))
    granted = story.tell(31, BROKER, V0, grant, cause=requested)
    story.tell(80, V0, BROKER, gpu.Release(contract=LEASE), cause=granted)
    story.tell(90, V0, R0, cn.InformResult(contract=REVIEW, result="{}"), cause=granted)


def test_work_that_led_to_work_is_an_edge_with_count_price_and_times(story: Story) -> None:
    review_with_lease(story)

    found = mine(swarm.load_run(story.write()))

    review, time = "reviewer: replicate for researcher", "reviewer: GPU time"
    ((pair, edge),) = found.edges.items()
    assert pair == (review, time)
    # The call was opened at 10, the lease granted at 30.
    assert (edge.n, edge.price, edge.delay) == (1, 7.0, 20)
    assert found.stages[time].n == 1
    assert (found.stages[time].price, found.stages[time].span) == (4, 50)
    assert main_order(found) == [(review,), (time,)]


def test_the_graph_is_written_for_graph_viewers(story: Story, tmp_path: Path) -> None:
    review_with_lease(story)
    found = mine(swarm.load_run(story.write()))

    write_graphml(found, tmp_path / "pipeline.graphml")

    read = nx.read_graphml(tmp_path / "pipeline.graphml")
    assert set(read.nodes) == set(found.stages)
    (edge,) = read.edges(data=True)
    assert (edge[2]["n"], edge[2]["price"], edge[2]["delay"]) == (1, 7.0, 20)


def test_who_supplied_what_to_whom(story: Story) -> None:
    review_with_lease(story)

    rows = supply(swarm.load_run(story.write())).to_dicts()

    assert [(row["supplier"], row["customer"], row["what"], row["n"]) for row in rows] == [
        ("gpu_broker", "reviewer", "GPU time", 1),
        ("reviewer", "researcher", "replicate", 1),
    ]
    assert [row["price"] for row in rows] == [4, 7]


def test_a_run_without_work_has_no_pipeline(gossip_run: Run) -> None:
    found = mine(gossip_run)

    assert (found.events, found.links, main_order(found)) == ((), (), [])
    assert len(supply(gossip_run)) == 0


@pytest.mark.parametrize(
    ("pairs", "bits"),
    [
        ([("a", "b"), ("b", "a")] * 5, 1.0),
        ([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")], 0.0),
        ([("a", "b")] * 3, 0.0),
    ],
)
def test_order_is_what_a_stage_says_about_the_next(
    pairs: list[tuple[str, str]], bits: float
) -> None:
    assert order_bits(pairs) == pytest.approx(bits)


@pytest.mark.slow
def test_the_pipeline_of_a_lab_leads_from_ideas_to_swaps(lab_run: Run) -> None:
    found = mine(lab_run)

    for pair in (
        ("pretraining_researcher: idea", "pretraining_researcher: GPU time"),
        (
            "pretraining_researcher: GPU time",
            "evaluator: evaluate for pretraining_researcher",
        ),
        ("reviewer: replicate for pretraining_researcher", "reviewer: GPU time"),
        ("integrator: GPU time", "evaluator: evaluate for integrator"),
    ):
        assert found.edges[pair].n > 0
    assert any(
        before.startswith("reviewer: replicate") and after == "integrator: GPU time"
        for before, after in found.edges
    )
    assert any(after == "integrator: swap in pre-training" for _, after in found.edges)
    assert found.part_order
    assert set(found.part_order) == set(lab_run.parts["part"])


@pytest.mark.slow
def test_every_event_has_at_most_one_that_led_to_it_and_that_one_is_earlier(lab_run: Run) -> None:
    found = mine(lab_run)

    led = [link.after for link in found.links]
    assert len(led) == len(set(led))
    assert all(found.events[link.before].seq < found.events[link.after].seq for link in found.links)
    assert sum(edge.n for edge in found.edges.values()) == len(found.links)
    assert sum(facts.n for facts in found.stages.values()) == len(found.events)


@pytest.mark.slow
def test_the_order_of_stages_has_no_circle(lab_run: Run) -> None:
    found = mine(lab_run)

    assert nx.is_directed_acyclic_graph(forward_graph(found))
    assert sorted(stage for layer in main_order(found) for stage in layer) == sorted(found.stages)


@pytest.mark.slow
def test_supply_holds_every_awarded_contract_and_every_lease(lab_run: Run) -> None:
    rows = supply(lab_run)

    n_contracts = lab_run.contracts["winner"].drop_nulls().len()
    n_leases = lab_run.leases["granted"].drop_nulls().len()
    assert rows["n"].sum() == n_contracts + n_leases

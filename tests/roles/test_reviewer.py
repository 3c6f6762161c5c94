import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, lease, ops, ship, work
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Role
from swarm.pipeline import tasks
from swarm.pipeline.campaign import Means
from swarm.pipeline.evidence import Gate
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_FLOPS,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Train,
)
from swarm.pipeline.standards import Standards
from swarm.roles.reviewer import Inbox, Reviewer, ReviewerState
from swarm.testing import FakeContext
from swarm.units import DAY, Credits, Ticks
from tests.ships import LATER_PARTS, checkpoint

if TYPE_CHECKING:
    from tests.roles.conftest import Surroundings

Surround = Callable[..., "Surroundings"]

AUTHOR, OTHER = ActorId("pretraining_researcher-1"), ActorId("data_researcher-0")
INTEGRATOR, BROKER = ActorId("integrator-0"), ActorId("gpu_broker-0")
DIRECTOR = ActorId("director-0")
CONTRACT = ContractId(f"{AUTHOR}/7")
PRICE = Credits(14_000_000)
MEANS = Means(
    broker=BROKER,
    treasury=ActorId("treasury-0"),
    evaluators=(ActorId("evaluator-0"),),
    bid_per_gpu_tick=Credits(100),
    max_price_per_score=Credits(100_000),
    bidding_window=Ticks(300),
    patience=Ticks(3_600),
    lease_patience=DAY,
    scoring_seed=7,
)
STANDARDS = Standards(
    corpus="c",
    flops=GENERATION_0_FLOPS,
    max_params=1_000_000,
    gates={
        "bpb": Gate(stages=(4, 8), alphas=(0.001, 0.002)),
        "unsolved": Gate(stages=(4, 8), alphas=(0.001, 0.002)),
        "index": Gate(stages=(16,), alphas=(0.001,)),
    },
    post_steps=20,
    gpus=4,
    scoring=Ticks(0),
    ticks=lambda flops: Ticks(flops // 10**8),
    means=MEANS,
)
PARTS = {
    **LATER_PARTS,
    "architecture": canonical_json(GENERATION_0_ARCHITECTURE),
    "checkpoint": checkpoint(artifact="old", recipe="r"),
    "mixture": canonical_json(GENERATION_0_MIXTURE),
    "optimizer": canonical_json(GENERATION_0_OPTIMIZER),
}
SHIP = ship.Announced(
    generation=3,
    manifest="m",
    parts=tuple(sorted(PARTS.items())),
    base_bpb=(4.01, 3.99, 4.02, 3.98, 4.0, 4.01, 3.99, 4.0),
)
HUGE = canonical_json(replace(GENERATION_0_ARCHITECTURE, width=512, depth=16, heads=8, context=512))
FASTER = canonical_json(replace(GENERATION_0_OPTIMIZER, lr=0.004))
TERMS = tasks.ReplicateTerms(
    part="optimizer", value=FASTER, base="m", parts=SHIP.parts, base_bpb=SHIP.base_bpb
)
CALL = cn.CallForProposals(
    contract=CONTRACT,
    task=tasks.REPLICATE,
    terms=tasks.to_json(TERMS),
    max_price=PRICE,
    deadline=Ticks(400),
)


def reviewer(price: Credits) -> Reviewer:
    return Reviewer(
        price=price,
        light_price=price,
        standards=STANDARDS,
        integrator=INTEGRATOR,
        director=DIRECTOR,
        patience=Ticks(1_000),
    )


def make() -> tuple[Reviewer, FakeContext]:
    role = reviewer(PRICE)
    _: Role[Inbox] = role
    role.receive(SHIP, FakeContext(me=ActorId("reviewer-0")))
    neighbours = (AUTHOR, OTHER, ActorId("devops-0"))
    return role, FakeContext(me=ActorId("reviewer-0"), neighbours=neighbours, now=Ticks(100))


def engage(around: "Surroundings", call: cn.CallForProposals = CALL) -> None:
    """Has the author call, accept and pay; everybody else answers from there on."""
    around.tell(call, sender=AUTHOR)
    around.tell(cn.AcceptProposal(contract=CONTRACT, price=PRICE), sender=AUTHOR)
    around.ctx.drain()
    around.tell(money.Secured(contract=CONTRACT, amount=PRICE))
    around.settle()


def spread(mean: float) -> Callable[[Train], float]:
    """Returns scores around a mean, by seed."""
    return lambda spec: mean + (spec.seed % 7 - 3) * 0.004


def unclear() -> Callable[[Train], float]:
    """Returns scores, seed by seed, that leave the first look undecided and pass the second."""
    scores = iter((3.90, 3.96, 4.00, 3.92, 3.93, 3.92, 3.94, 3.93))
    known: dict[int, float] = {}
    return lambda spec: (
        known[spec.seed] if spec.seed in known else known.setdefault(spec.seed, next(scores))
    )


def informed(around: "Surroundings") -> tasks.ReplicateResult:
    (inform,) = around.told(cn.InformResult, AUTHOR)
    return tasks.replicate_result(inform.result)


def test_it_proposes_its_price_and_a_promise_that_counts_the_waiting() -> None:
    role, ctx = make()
    ctx.sender = AUTHOR

    role.receive(CALL, ctx)

    (proposal,) = ctx.told(AUTHOR)
    assert isinstance(proposal, cn.Propose)
    assert proposal.price == PRICE
    assert proposal.ends_at > CALL.deadline + 2 * DAY
    assert ("after", Ticks(1_300), cn.Overdue(contract=CONTRACT)) in ctx.effects


def terms(**changes: object) -> cn.CallForProposals:
    return replace(CALL, terms=tasks.to_json(replace(TERMS, **changes)))


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (replace(CALL, task="evaluate"), "a reviewer does not evaluate"),
        (replace(CALL, terms="[]"), "expected ReplicateTerms"),
        (replace(CALL, max_price=Credits(1)), "a review costs 14000000"),
        (replace(CALL, deadline=Ticks(100)), "takes time to propose"),
        (terms(base="n"), "about ship n, which is not the one I know"),
        (terms(base_bpb=(9.0,) * 8), "not those that the integrator announced"),
        (terms(parts=()), "not those that the integrator announced"),
        (terms(value=PARTS["optimizer"]), "the ship has this optimizer already"),
        (terms(value='{"name":"adamw"}'), "expected Optimizer"),
        (terms(part="sails"), "came part 'sails'"),
        (
            terms(part="architecture", value=HUGE),
            "budgets, whole steps counted",
        ),
    ],
)
def test_a_claim_that_it_cannot_review_is_refused_with_a_reason(
    call: cn.CallForProposals, reason: str
) -> None:
    role, ctx = make()
    before = msgspec.json.encode(role.state)
    ctx.sender = AUTHOR

    role.receive(call, ctx)

    (refusal,) = ctx.told(AUTHOR)
    assert isinstance(refusal, cn.Refuse)
    assert reason in refusal.reason
    assert msgspec.json.encode(role.state) == before


def test_it_reviews_one_claim_at_a_time() -> None:
    role, ctx = make()
    ctx.sender = AUTHOR
    role.receive(CALL, ctx)
    ctx.sender = OTHER

    role.receive(replace(CALL, contract=ContractId(f"{OTHER}/1")), ctx)

    refusal = cn.Refuse(contract=ContractId(f"{OTHER}/1"), reason=f"busy with {CONTRACT}")
    assert ctx.told(OTHER) == [refusal]


def test_it_refuses_a_review_that_its_money_and_the_advance_do_not_cover() -> None:
    role = reviewer(Credits(1_000))
    ctx = FakeContext(me=ActorId("reviewer-0"), sender=AUTHOR)
    role.receive(SHIP, ctx)

    role.receive(CALL, ctx)
    poor = ctx.told(AUTHOR)
    ctx.drain()
    credited = money.Credited(amount=Credits(1), balance=Credits(10_000_000), reason="capital")
    role.receive(credited, ctx)
    role.receive(CALL, ctx)

    assert isinstance(poor[0], cn.Refuse)
    assert "its seeds cost up to" in poor[0].reason
    assert isinstance(ctx.told(AUTHOR)[0], cn.Propose)


def test_a_clear_gain_is_accepted_after_four_seeds_and_proposed_to_the_integrator(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = surround(role, ctx, bpb=spread(3.7))

    engage(around)

    result = informed(around)
    assert (result.decision, result.n) == ("accept", 4)
    assert result.gain_bpb == pytest.approx(0.3, abs=0.02)
    proposed = ship.Proposed(
        contract=CONTRACT,
        part="optimizer",
        value=FASTER,
        base="m",
        author=AUTHOR,
        gain_bpb=result.gain_bpb,
        gain_low_bpb=result.gain_low_bpb,
        gain_high_bpb=result.gain_high_bpb,
        n_replications=4,
    )
    assert around.told(ship.Proposed) == [proposed]
    assert role.state == ReviewerState(
        numbering=role.state.numbering, balance=role.state.balance, announced=SHIP
    )


def test_the_seeds_are_fresh_and_trained_side_by_side_on_the_claimed_recipe(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = surround(role, ctx, bpb=spread(3.7))

    engage(around)

    jobs = around.trained()
    assert len({job.seed for job in jobs}) == 4
    assert {msgspec.json.encode(job.optimizer) for job in jobs} == {
        msgspec.json.encode(replace(GENERATION_0_OPTIMIZER, lr=0.004))
    }
    assert {(job.flops, job.max_params) for job in jobs} == {(GENERATION_0_FLOPS, 1_000_000)}
    (request,) = around.told(lease.Request)
    assert request.gpus == 4
    assert [one.seed for one in around.terms] == [MEANS.scoring_seed]


def test_a_verdict_is_told_to_the_researchers_near_and_to_the_director(surround: Surround) -> None:
    role, ctx = make()
    around = surround(role, ctx, bpb=spread(3.7))

    engage(around)

    for near, n in ((AUTHOR, 1), (OTHER, 1), (ActorId("devops-0"), 0), (DIRECTOR, 1)):
        assert len(around.told(finding.Reviewed, near)) == n


def test_an_unclear_gain_takes_four_more_seeds(surround: Surround) -> None:
    role, ctx = make()
    around = surround(role, ctx, bpb=unclear())

    engage(around)

    assert len(around.trained()) == 8
    assert len({job.seed for job in around.trained()}) == 8
    assert (informed(around).decision, informed(around).n) == ("accept", 8)


def test_no_gain_is_rejected_for_futility_and_not_proposed(surround: Surround) -> None:
    role, ctx = make()
    around = surround(role, ctx, bpb=spread(4.0))

    engage(around)

    assert informed(around).decision == "reject"
    assert around.told(ship.Proposed) == []
    assert len(around.told(finding.Reviewed, AUTHOR)) == 1


def test_a_candidate_that_diverges_on_a_seed_is_rejected(surround: Surround) -> None:
    role, ctx = make()
    around = surround(role, ctx, fails=lambda spec: spec.seed % 2 == 0)

    engage(around)

    result = informed(around)
    assert result.decision == "reject"
    assert "diverged: the loss is nan" in result.reason
    assert [r.failures[0] for r in around.told(lease.Release)] == ["diverged: the loss is nan"]


@pytest.mark.parametrize(
    "trouble", [{"refuses_lease": True}, {"denies_escrow": True}], ids=["lease", "escrow"]
)
def test_a_review_that_cannot_be_made_is_a_failure_and_it_is_idle_again(
    surround: Surround, trouble: dict[str, bool]
) -> None:
    role, ctx = make()
    around = surround(role, ctx, **trouble)

    engage(around)

    assert len(around.told(cn.Failure, AUTHOR)) == 1
    assert around.told(cn.InformResult, AUTHOR) == []
    assert role.state.job is None
    assert role.state.test is None
    assert len(around.notes()) == 1


def checkpoint_call(artifact: str) -> cn.CallForProposals:
    value = checkpoint(artifact=artifact, recipe="r2")
    return terms(part="checkpoint", value=value, base_bpb=())


@pytest.mark.parametrize(("gain", "decision"), [(0.2, "accept"), (0.0, "reject")])
def test_a_checkpoint_is_scored_beside_the_current_one_and_judged_block_by_block(
    surround: Surround, gain: float, decision: str
) -> None:
    role, ctx = make()

    def blocks(artifact: str) -> tuple[float, ...]:
        better = gain if "new" in artifact else 0.0
        noise = 0.01 if "new" in artifact else -0.01
        return tuple(3.0 + i % 5 - better + noise * (-1) ** i for i in range(16))

    around = surround(role, ctx, blocks=blocks)
    engage(around, checkpoint_call("new"))

    assert around.told(lease.Request) == []
    assert around.trained() == []
    assert [one.artifacts for one in around.terms] == [
        (PARTS["checkpoint"], checkpoint(artifact="new", recipe="r2"))
    ]
    assert around.terms[0].seed != MEANS.scoring_seed
    assert informed(around).decision == decision
    assert len(around.told(ship.Proposed)) == (decision == "accept")


def test_blocks_that_do_not_match_are_a_failure(surround: Surround) -> None:
    role, ctx = make()
    around = surround(role, ctx, blocks=lambda artifact: (4.0,) * len(artifact))

    engage(around, checkpoint_call("newest"))

    (failure,) = around.told(cn.Failure, AUTHOR)
    assert failure.reason == "the two values were not scored on the same blocks"


def test_a_cancelled_review_frees_it_when_its_jobs_have_ended(surround: Surround) -> None:
    role, ctx = make()
    around = surround(role, ctx)
    ctx.sender = AUTHOR
    role.receive(CALL, ctx)
    role.receive(cn.AcceptProposal(contract=CONTRACT, price=PRICE), ctx)
    role.receive(money.Secured(contract=CONTRACT, amount=PRICE), ctx)
    request = next(m for m in ctx.told(BROKER) if isinstance(m, lease.Request))
    granted = lease.Granted(
        contract=request.contract, gpus=("a", "b", "c", "d"), ends_at=Ticks(9_999), price=Credits(1)
    )
    ctx.drain()
    around.tell(granted, sender=BROKER)

    around.tell(cn.Cancel(contract=CONTRACT, reason="overdue"), sender=AUTHOR)
    ctx.sender = OTHER
    role.receive(replace(CALL, contract=ContractId(f"{OTHER}/1")), ctx)
    busy = ctx.told(OTHER)
    around.settle()

    reason = "busy with a cancelled review whose jobs have not ended"
    assert busy == [cn.Refuse(contract=ContractId(f"{OTHER}/1"), reason=reason)]
    assert role.state.job is None
    assert role.state.test is None
    assert around.told(lease.Release) == [lease.Release(contract=request.contract)]
    assert around.told(cn.InformResult) == []


@pytest.mark.parametrize("message", [cn.RejectProposal, cn.Overdue])
def test_a_proposal_that_leads_nowhere_leaves_it_idle(
    message: type[cn.RejectProposal] | type[cn.Overdue],
) -> None:
    role, ctx = make()
    ctx.sender = AUTHOR
    role.receive(CALL, ctx)

    role.receive(message(contract=CONTRACT), ctx)

    assert role.state.job is None


def test_an_acceptance_after_the_proposal_lapsed_is_answered_with_failure() -> None:
    role, ctx = make()
    ctx.sender = AUTHOR

    role.receive(cn.AcceptProposal(contract=CONTRACT, price=PRICE), ctx)

    assert ctx.told(AUTHOR) == [cn.Failure(contract=CONTRACT, reason="the proposal has lapsed")]


def test_advice_is_noted_and_news_change_nothing() -> None:
    role, ctx = make()

    role.receive(work.Start(), ctx)
    role.receive(
        ops.Advice(contract=CONTRACT, diagnosis="diverged", action="lower_rate", reason="nan at 3"),
        ctx,
    )

    assert ctx.drain() == [("note", f"advice on {CONTRACT}: lower_rate (nan at 3)")]


@pytest.mark.parametrize("seed", range(5))
def test_answers_of_one_instant_may_come_in_any_order(surround: Surround, seed: int) -> None:
    outcomes = []
    for shuffle in (None, random.Random(seed)):
        role, ctx = make()
        around = surround(role, ctx, bpb=unclear(), shuffle=shuffle)
        engage(around)
        outcomes.append((informed(around), msgspec.json.encode(role.state)))

    assert outcomes[0] == outcomes[1]


def test_the_state_survives_json_at_every_step(surround: Surround) -> None:
    role, ctx = make()

    class Amnesiac:
        """Forgets everything but what a snapshot holds, after every message."""

        def receive(self, message: Inbox, ctx: FakeContext) -> None:
            role.receive(message, ctx)
            again = msgspec.json.decode(msgspec.json.encode(role.state), type=ReviewerState)
            assert again == role.state
            role.state = again

    around = surround(Amnesiac(), ctx, bpb=spread(3.7))
    engage(around)

    assert informed(around).decision == "accept"

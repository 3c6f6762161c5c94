import itertools
from collections.abc import Sequence

import msgspec
import pytest
from msgspec.structs import replace

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import lease, work
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId, Message, MessageId
from swarm.pipeline import campaign, tasks
from swarm.pipeline.campaign import Campaign, CampaignMessage, Means, Numbering
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_FLOPS,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Train,
    Trained,
)
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks, Tokens

BROKER, TREASURY = ActorId("gpu_broker-0"), ActorId("treasury-0")
A, B = ActorId("evaluator-0"), ActorId("evaluator-1")
LEASE, SCORING = ContractId("r-0/1"), ContractId("r-0/2")
MEANS = Means(
    broker=BROKER,
    treasury=TREASURY,
    evaluators=(A, B),
    bid_per_gpu_tick=Credits(5),
    max_price_per_score=Credits(100),
    bidding_window=Ticks(300),
    patience=Ticks(1_000),
    lease_patience=Ticks(50_000),
    scoring_seed=77,
)
JOB = Train(
    corpus="c",
    mixture=GENERATION_0_MIXTURE,
    architecture=GENERATION_0_ARCHITECTURE,
    optimizer=GENERATION_0_OPTIMIZER,
    flops=GENERATION_0_FLOPS,
    seed=0,
)
GRANTED = lease.Granted(contract=LEASE, gpus=("n/0", "n/1"), ends_at=Ticks(9_000), price=Credits(1))


def begun(*, jobs: int = 3, gpus: int = 2) -> tuple[FakeContext, Campaign]:
    ctx = FakeContext(me=ActorId("r-0"))
    one = campaign.start(
        ctx,
        MEANS,
        lease_contract=LEASE,
        scoring_contract=SCORING,
        purpose="test",
        specs=[replace(JOB, seed=seed) for seed in range(jobs)],
        takes=[Ticks(1_000)] * jobs,
        gpus=gpus,
    )
    return ctx, one


def feed(
    ctx: FakeContext,
    one: Campaign,
    message: CampaignMessage,
    *,
    sender: ActorId = BROKER,
    job: int = 0,
) -> bool:
    ctx.sender, ctx.cause = sender, MessageId(job)
    assert campaign.concerns(one, message, ctx.cause)
    return campaign.advance(ctx, one, message, MEANS)


def trained(artifact: str) -> Trained:
    return Trained(artifact=artifact, train_bpb=4.0, tokens=Tokens(1), steps=1, n_params=1)


def jobs_of(ctx: FakeContext) -> list[int]:
    runs = (effect[1] for effect in ctx.drain() if effect[0] == "run")
    return [job.seed for job in runs if isinstance(job, Train)]


def scoring(*, artifacts: Sequence[str] = ("x", "y")) -> tuple[FakeContext, Campaign]:
    ctx, one = begun(jobs=len(artifacts))
    feed(ctx, one, GRANTED)
    for number, artifact in enumerate(artifacts, start=1):
        feed(ctx, one, trained(artifact), job=number)
    return ctx, one


def proposal(evaluator: ActorId, price: int) -> cn.Propose:
    return cn.Propose(
        contract=SCORING, proposer=evaluator, price=Credits(price), ends_at=Ticks(2_000)
    )


def working() -> tuple[FakeContext, Campaign]:
    ctx, one = scoring()
    feed(ctx, one, proposal(A, 50), sender=A)
    feed(ctx, one, cn.BiddingClosed(contract=SCORING))
    feed(ctx, one, money.Secured(contract=SCORING, amount=Credits(50)), sender=TREASURY)
    ctx.drain()
    return ctx, one


def scores(*artifacts: str) -> cn.InformResult:
    listed = tuple(tasks.Score(artifact=a, bpb=3.5, block_bpb=(3.0, 4.0)) for a in artifacts)
    text = tasks.to_json(tasks.EvaluateResult(scores=listed))
    return cn.InformResult(contract=SCORING, result=text)


def refund(contract: ContractId) -> tuple[object, ...]:
    return ("tell", TREASURY, money.Release(contract=contract, is_accepted=False))


def test_a_gang_is_requested_for_as_long_as_its_jobs_take_with_a_tenth_of_slack() -> None:
    ctx, _ = begun(jobs=3, gpus=2)

    duration = Ticks(2_000 + 200 + 120)
    request = lease.Request(
        contract=LEASE, gpus=2, duration=duration, bid=Credits(2 * duration * 5), purpose="test"
    )
    assert ctx.drain() == [
        ("tell", BROKER, request),
        ("after", Ticks(50_000), cn.Overdue(contract=LEASE)),
    ]


def test_no_more_gpus_are_requested_than_there_are_jobs() -> None:
    ctx, _ = begun(jobs=1, gpus=4)

    (request,) = ctx.told(BROKER)
    assert isinstance(request, lease.Request)
    assert request.gpus == 1


@pytest.mark.parametrize(
    ("takes", "gpus", "makespan"),
    [([100], 1, 100), ([100, 50, 70], 2, 120), ([1_000, 10, 10, 10], 2, 1_000)],
)
def test_jobs_share_a_gang_in_order_each_on_the_gpu_that_is_free_first(
    takes: list[Ticks], gpus: int, makespan: int
) -> None:
    duration = campaign.lease_duration(takes, gpus=gpus, lookahead=Ticks(60))

    assert duration == makespan + -(-makespan // 10) + 120


def test_a_job_shorter_than_the_lookahead_is_counted_as_long_as_that() -> None:
    short, long = ([Ticks(1)], [Ticks(60)])

    assert campaign.price(short, gpus=1, means=MEANS) == campaign.price(long, gpus=1, means=MEANS)


def test_the_price_is_the_bid_and_what_the_scores_cost_at_most() -> None:
    ctx, _ = begun(jobs=3, gpus=2)
    (request,) = ctx.told(BROKER)
    assert isinstance(request, lease.Request)

    price = campaign.price([Ticks(1_000)] * 3, gpus=2, means=MEANS)

    assert price == request.bid + 300


def test_one_job_runs_per_gpu_and_the_next_starts_when_one_ends() -> None:
    ctx, one = begun(jobs=3, gpus=2)

    feed(ctx, one, GRANTED)
    first = jobs_of(ctx)
    feed(ctx, one, trained("y"), job=2)
    then = jobs_of(ctx)

    assert (first, then) == ([0, 1], [2])


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
def test_models_are_scored_in_the_order_of_their_jobs_whichever_ends_first(
    order: tuple[int, ...],
) -> None:
    ctx, one = begun(jobs=3, gpus=3)
    feed(ctx, one, replace(GRANTED, gpus=("n/0", "n/1", "n/2")))
    ctx.drain()

    for job in order:
        feed(ctx, one, trained(f"model-{job}"), job=job)

    (call,) = ctx.told(A)
    assert isinstance(call, cn.CallForProposals)
    terms = tasks.evaluate_terms(call.terms)
    assert terms.artifacts == ("model-1", "model-2", "model-3")
    assert terms.seed == MEANS.scoring_seed
    assert ctx.told(BROKER) == [lease.Release(contract=LEASE)]


def test_after_a_failed_job_no_other_starts_and_the_gang_goes_back_with_the_last() -> None:
    ctx, one = begun(jobs=3, gpus=2)
    feed(ctx, one, GRANTED)
    ctx.drain()

    ended_early = feed(ctx, one, work.JobFailed(kind="diverged", reason="nan"), job=1)
    silent = ctx.drain()
    ended = feed(ctx, one, trained("y"), job=2)

    assert (ended_early, silent, ended) == (False, [], True)
    release = lease.Release(contract=LEASE, failures=("diverged: nan",))
    assert ctx.drain() == [("tell", BROKER, release)]
    assert (one.phase, one.reason) == ("failed", "job failed, diverged: nan")


def test_a_refused_lease_ends_the_campaign() -> None:
    ctx, one = begun()

    ended = feed(ctx, one, lease.Refused(contract=LEASE, reason="too large"))

    assert ended
    assert one.reason == "lease refused: too large"


def test_a_lease_that_does_not_come_in_time_is_withdrawn_and_the_reason_told() -> None:
    ctx, one = begun()
    feed(ctx, one, lease.Pending(contract=LEASE, why="3 free, 2 asked for by better bids"))
    ctx.drain()

    ended = feed(ctx, one, cn.Overdue(contract=LEASE))

    assert ended
    assert ctx.drain() == [("tell", BROKER, lease.Release(contract=LEASE))]
    assert one.reason == "no lease in time: 3 free, 2 asked for by better bids"


def test_the_patience_for_a_lease_does_not_count_once_it_is_granted() -> None:
    ctx, one = begun()
    feed(ctx, one, GRANTED)

    ended = feed(ctx, one, cn.Overdue(contract=LEASE))

    assert not ended
    assert one.phase == "training"


def test_a_lease_that_ends_under_running_jobs_fails_and_their_results_are_nobodys() -> None:
    ctx, one = begun()
    feed(ctx, one, GRANTED)

    ended = feed(ctx, one, lease.Ended(contract=LEASE))

    assert ended
    assert not campaign.concerns(one, trained("x"), MessageId(1))


def test_the_cheapest_evaluator_is_paid_for_its_scores() -> None:
    ctx, one = scoring()
    feed(ctx, one, proposal(A, 60), sender=A)
    feed(ctx, one, proposal(B, 50), sender=B)
    feed(ctx, one, cn.BiddingClosed(contract=SCORING))
    feed(ctx, one, money.Secured(contract=SCORING, amount=Credits(50)), sender=TREASURY)
    ctx.drain()

    ended = feed(ctx, one, scores("x", "y"), sender=B)

    assert ended
    assert ctx.drain() == [
        ("tell", TREASURY, money.Release(contract=SCORING, is_accepted=True)),
    ]
    assert [(score.artifact, score.bpb) for score in one.scores] == [("x", 3.5), ("y", 3.5)]


@pytest.mark.parametrize("order", [(A, B), (B, A)])
def test_who_evaluates_does_not_depend_on_which_proposal_came_first(
    order: tuple[ActorId, ActorId],
) -> None:
    ctx, one = scoring()

    for evaluator in order:
        feed(ctx, one, proposal(evaluator, 50), sender=evaluator)
    feed(ctx, one, cn.BiddingClosed(contract=SCORING))

    assert one.measured is not None
    assert one.measured.call.winner == A


def test_a_proposal_dearer_than_the_most_is_rejected() -> None:
    ctx, one = scoring()
    ctx.drain()

    feed(ctx, one, proposal(A, 201), sender=A)
    ended = feed(ctx, one, cn.BiddingClosed(contract=SCORING))

    assert ctx.told(A) == [cn.RejectProposal(contract=SCORING)]
    assert ended
    assert one.reason == "no evaluator proposed to score it"


@pytest.mark.parametrize(
    "answer",
    [
        scores("x"),
        scores("y", "x"),
        cn.InformResult(contract=SCORING, result="good"),
        cn.InformResult(
            contract=SCORING,
            result='{"scores":[{"artifact":"x","bpb":null,"block_bpb":[]}]}',
        ),
        cn.Failure(contract=SCORING, reason="missing: no such file"),
    ],
)
def test_anything_but_the_scores_asked_for_is_refunded(answer: cn.InformResult) -> None:
    ctx, one = working()

    ended = feed(ctx, one, answer, sender=A)

    assert ended
    assert ctx.drain() == [refund(SCORING)]
    assert one.phase == "failed"
    assert one.scores == []


def test_an_answer_of_somebody_else_changes_nothing() -> None:
    ctx, one = working()

    ended = feed(ctx, one, scores("x", "y"), sender=B)

    assert not ended
    assert ctx.drain() == []


def test_a_winner_that_cannot_be_paid_is_let_go() -> None:
    ctx, one = scoring()
    feed(ctx, one, proposal(A, 50), sender=A)
    feed(ctx, one, cn.BiddingClosed(contract=SCORING))
    ctx.drain()

    denied = money.Denied(contract=SCORING, amount=Credits(50), balance=Credits(3))
    ended = feed(ctx, one, denied, sender=TREASURY)

    assert ended
    cancel = cn.Cancel(contract=SCORING, reason="the price is not there")
    assert ctx.drain() == [("tell", A, cancel)]
    assert one.reason == "cannot pay 50 micro-credits for the evaluation, has 3"


def test_an_evaluator_has_until_its_promise_and_patience_then_it_loses_the_contract() -> None:
    ctx, one = scoring()
    ctx.now = Ticks(500)
    feed(ctx, one, proposal(A, 50), sender=A)
    feed(ctx, one, cn.BiddingClosed(contract=SCORING))
    ctx.drain()

    feed(ctx, one, money.Secured(contract=SCORING, amount=Credits(50)), sender=TREASURY)
    timer = ctx.drain()
    ended = feed(ctx, one, cn.Overdue(contract=SCORING))

    assert timer == [("after", Ticks(2_500), cn.Overdue(contract=SCORING))]
    assert ended
    cancel = cn.Cancel(contract=SCORING, reason="the evaluation is overdue")
    assert ctx.drain() == [("tell", A, cancel), refund(SCORING)]


def test_models_that_exist_are_scored_without_a_lease() -> None:
    ctx = FakeContext(me=ActorId("r-0"))

    one = campaign.start_scoring(
        ctx, MEANS, scoring_contract=SCORING, artifacts=["old", "new"], seed=5
    )

    assert ctx.told(BROKER) == []
    (call,) = ctx.told(A)
    assert isinstance(call, cn.CallForProposals)
    assert tasks.evaluate_terms(call.terms) == tasks.EvaluateTerms(("old", "new"), 5)
    assert one.phase == "scoring"


def test_a_late_grant_goes_back_and_a_late_proposal_is_rejected() -> None:
    ctx, one = begun()
    feed(ctx, one, lease.Refused(contract=LEASE, reason="no"))
    ctx.drain()

    late: Sequence[tuple[CampaignMessage, ActorId]] = (
        (GRANTED, BROKER),
        (proposal(A, 1), A),
        (scores("x"), A),
    )
    for message, sender in late:
        ctx.sender = sender
        assert not campaign.concerns(one, message, ctx.cause)
        campaign.decline(ctx, message)

    assert ctx.drain() == [
        ("tell", BROKER, lease.Release(contract=LEASE)),
        ("tell", A, cn.RejectProposal(contract=SCORING)),
    ]


def test_withdrawing_before_the_lease_takes_the_request_back() -> None:
    ctx, one = begun()
    ctx.drain()

    ended = campaign.withdraw(ctx, one, MEANS, reason="cancelled")

    assert ended
    assert ctx.drain() == [("tell", BROKER, lease.Release(contract=LEASE))]


def test_withdrawing_while_jobs_run_waits_for_them_and_starts_no_more() -> None:
    ctx, one = begun(jobs=3, gpus=2)
    feed(ctx, one, GRANTED)
    ctx.drain()

    ended = campaign.withdraw(ctx, one, MEANS, reason="cancelled")
    feed(ctx, one, trained("x"), job=1)
    ended_then = feed(ctx, one, trained("y"), job=2)

    assert (ended, ended_then) == (False, True)
    assert ctx.drain() == [("tell", BROKER, lease.Release(contract=LEASE))]
    assert one.reason == "cancelled"


def test_withdrawing_while_an_evaluator_works_cancels_and_refunds() -> None:
    ctx, one = working()

    ended = campaign.withdraw(ctx, one, MEANS, reason="cancelled")

    assert ended
    cancel = cn.Cancel(contract=SCORING, reason="cancelled")
    assert ctx.drain() == [("tell", A, cancel), refund(SCORING)]


def test_withdrawing_while_evaluators_bid_rejects_them() -> None:
    ctx, one = scoring()
    feed(ctx, one, proposal(B, 2), sender=B)
    feed(ctx, one, proposal(A, 1), sender=A)
    ctx.drain()

    ended = campaign.withdraw(ctx, one, MEANS, reason="cancelled")

    assert ended
    reject: Message = cn.RejectProposal(contract=SCORING)
    assert ctx.drain() == [("tell", A, reject), ("tell", B, reject)]


def test_the_state_survives_json_at_every_step() -> None:
    ctx, one = begun(jobs=2)
    steps: list[tuple[CampaignMessage, ActorId, int]] = [
        (GRANTED, BROKER, 0),
        (trained("y"), ActorId("r-0"), 2),
        (trained("x"), ActorId("r-0"), 1),
        (proposal(A, 50), A, 0),
        (cn.BiddingClosed(contract=SCORING), ActorId("r-0"), 0),
        (money.Secured(contract=SCORING, amount=Credits(50)), TREASURY, 0),
        (scores("x", "y"), A, 0),
    ]

    for message, sender, job in steps:
        again = msgspec.json.decode(msgspec.json.encode(one), type=Campaign)
        assert again == one
        one = again
        feed(ctx, one, message, sender=sender, job=job)

    assert one.phase == "scored"


def test_contracts_are_numbered_from_one() -> None:
    ctx, numbering = FakeContext(me=ActorId("r-0")), Numbering()

    assert [numbering.fresh(ctx), numbering.fresh(ctx)] == ["r-0/1", "r-0/2"]

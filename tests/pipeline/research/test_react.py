"""The whole way of a researcher, driven by a fake context; the roles' own tests are short.

Longer than a file should be, because every test needs the driver.
"""

from collections.abc import Iterable
from itertools import permutations

import msgspec
import pytest
from msgspec.structs import replace

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, lease, mind, need, ops, research, ship, work
from swarm.comms.messages import treasury as money
from swarm.kernel.message import NO_MESSAGE, ActorId, ContractId, Message, MessageId
from swarm.memory.recall import remind
from swarm.pipeline import tasks
from swarm.pipeline.campaign import Means
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.spec import PostTrain, PostTrained
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_FLOPS,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Train,
    Trained,
)
from swarm.pipeline.recipe import recipe_hash, trunk_hash
from swarm.pipeline.research.react import ResearchMessage, react
from swarm.pipeline.research.state import Policy, Research, Setup
from swarm.pipeline.values import Checkpoint, read_as, value_tag
from swarm.testing import FakeContext
from swarm.units import DAY, Credits, Flops, Ticks, Tokens
from tests.ships import LATER_PARTS, checkpoint

ME = ActorId("pretraining_researcher-0")
PEER, REVIEWER, DEVOPS = (
    ActorId("data_researcher-0"),
    ActorId("reviewer-0"),
    ActorId("devops-0"),
)
BROKER, TREASURY = ActorId("gpu_broker-0"), ActorId("treasury-0")
EVALUATOR, INTEGRATOR = ActorId("evaluator-0"), ActorId("integrator-0")
DIRECTOR = ActorId("director-0")

MEANS = Means(
    broker=BROKER,
    treasury=TREASURY,
    evaluators=(EVALUATOR,),
    bid_per_gpu_tick=Credits(10),
    max_price_per_score=Credits(500),
    bidding_window=Ticks(300),
    patience=Ticks(3_600),
    lease_patience=DAY,
    scoring_seed=7,
)
POLICY = Policy(
    corpus="c" * 64,
    flops=GENERATION_0_FLOPS,
    checkpoint_flops=Flops(2 * GENERATION_0_FLOPS),
    max_params=2_000_000,
    claim_threshold=0.05,
    post_steps=20,
    build_price=Credits(1_000),
    exam=(),
    review_price=Credits(9_000),
    director=DIRECTOR,
    spare_percent=50,
    thinking=Ticks(120),
)
HOUR_OF_WORK = Ticks(1_000)
LEASE_PRICE = Credits(10 * (1_210 + 120))
"""With a tenth for whole steps that cost more than the budget."""
TRIAL_PRICE = Credits(LEASE_PRICE + 500)
ENOUGH = Credits(TRIAL_PRICE + 9_000)
"""For a trial and a review."""

PARTS = {
    **LATER_PARTS,
    "architecture": canonical_json(GENERATION_0_ARCHITECTURE),
    "checkpoint": checkpoint(artifact="old", recipe="of something else"),
    "mixture": canonical_json(GENERATION_0_MIXTURE),
    "optimizer": canonical_json(GENERATION_0_OPTIMIZER),
}
ROPE = canonical_json(replace(GENERATION_0_ARCHITECTURE, positions="rope"))
WIDE = canonical_json(replace(GENERATION_0_ARCHITECTURE, width=96))
MORE_CODE = PARTS["mixture"].replace('["code",1]', '["code",3]')


def announced(manifest: str = "m0", **parts: str) -> ship.Announced:
    return ship.Announced(
        generation=0,
        manifest=manifest,
        parts=tuple(sorted((PARTS | parts).items())),
        base_bpb=(4.0, 4.2),
    )


def credited(balance: int) -> money.Credited:
    return money.Credited(amount=Credits(1), balance=Credits(balance), reason="income")


class Actor:
    """A researcher with its context; ``hear`` delivers, ``pump`` fires its wake-up timer."""

    def __init__(self, part: str = "architecture", **policy: object) -> None:
        self.state = Research()
        self.ctx = FakeContext(me=ME, neighbours=(PEER, REVIEWER, DEVOPS))
        self.setup = Setup(
            part=part,
            policy=msgspec.structs.replace(POLICY, **policy),
            means=MEANS,
            ticks=lambda flops: Ticks(HOUR_OF_WORK * flops // GENERATION_0_FLOPS),
            remind=remind,
        )

    def hear(
        self,
        message: ResearchMessage,
        sender: ActorId = ME,
        cause: MessageId = NO_MESSAGE,
    ) -> None:
        self.ctx.sender, self.ctx.cause = sender, cause
        react(self.ctx, self.state, message, self.setup)

    def pump(self) -> None:
        self.ctx.now = Ticks(self.ctx.now + 1)
        self.hear(research.WakeDue())

    def orders(self, kind: type[Message]) -> list[Message]:
        """Questions and jobs of a type since the last drain."""
        return [e[1] for e in self.ctx.effects if isinstance(e[1], kind) and e[0] != "tell"]

    def notes(self) -> list[str]:
        return [str(e[1]) for e in self.ctx.effects if e[0] == "note"]

    def start(self, balance: int = ENOUGH) -> mind.ProposePart:
        """To the question."""
        self.hear(announced(), INTEGRATOR)
        self.hear(credited(balance), TREASURY)
        self.pump()
        (question,) = self.orders(mind.ProposePart)
        assert isinstance(question, mind.ProposePart)
        return question

    def answer(self, value: str, part: str = "architecture") -> None:
        cause = MessageId(self.ctx.ordered)
        self.hear(mind.PartProposed(part=part, value=value, reason="because"), ME, cause)

    def train(self, artifact: str = "new") -> None:
        """From the request for a lease to the model."""
        (request,) = [m for m in self.ctx.told(BROKER) if isinstance(m, lease.Request)]
        self.ctx.drain()
        self.hear(granted(request.contract), BROKER)
        done: Trained | PostTrained = Trained(
            artifact=artifact, train_bpb=4.0, tokens=GENERATION_0_TOKENS, steps=9, n_params=9
        )
        if self.orders(PostTrain):
            done = PostTrained(
                artifact=artifact,
                sft_steps=9,
                rounds=0,
                examples=8,
                sft_loss=1.0,
                mean_reward=0.0,
                mean_exact=0.0,
                tokens_sampled=Tokens(0),
                tokens_trained=Tokens(9),
                n_params=9,
            )
        self.hear(done, ME, MessageId(self.ctx.ordered))

    def score(self, *losses: float) -> None:
        """From the call for an evaluation to the scores."""
        (call,) = [m for m in self.ctx.told(EVALUATOR) if isinstance(m, cn.CallForProposals)]
        self.ctx.drain()
        subjects = tasks.evaluate_terms(call.terms).artifacts
        scores = [
            tasks.Score(artifact, loss, (loss,))
            for artifact, loss in zip(subjects, losses, strict=True)
        ]
        result = tasks.EvaluateResult(scores=tuple(scores))
        self.settle(call.contract, EVALUATOR, 400, tasks.to_json(result))

    def settle(self, contract: ContractId, who: ActorId, price: int, result: str) -> None:
        """From a proposal to the result."""
        self.hear(proposal(contract, who, price), who)
        self.hear(cn.BiddingClosed(contract=contract))
        self.hear(money.Secured(contract=contract, amount=Credits(price)), TREASURY)
        self.hear(cn.InformResult(contract=contract, result=result), who)

    def claim(self) -> ContractId:
        """Returns the contract of the call to the reviewer."""
        (call,) = [m for m in self.ctx.told(REVIEWER) if isinstance(m, cn.CallForProposals)]
        return call.contract


GENERATION_0_TOKENS = Train(
    corpus="c" * 64,
    mixture=GENERATION_0_MIXTURE,
    architecture=GENERATION_0_ARCHITECTURE,
    optimizer=GENERATION_0_OPTIMIZER,
    flops=GENERATION_0_FLOPS,
    seed=0,
).tokens


def granted(contract: ContractId) -> lease.Granted:
    return lease.Granted(
        contract=contract, gpus=("0/0",), ends_at=Ticks(9_999), price=Credits(6_000)
    )


def proposal(contract: ContractId, who: ActorId, price: int) -> cn.Propose:
    return cn.Propose(contract=contract, proposer=who, price=Credits(price), ends_at=Ticks(5_000))


def verdict(decision: str, gain: float = 0.2) -> str:
    return tasks.to_json(
        tasks.ReplicateResult(
            decision="accept" if decision == "accept" else "reject",
            gain_bpb=gain,
            gain_low_bpb=gain - 0.1,
            gain_high_bpb=gain + 0.1,
            n=4,
            reason="sequential test",
        )
    )


def claimed() -> Actor:
    """A researcher that has just called for a review of a gain of 0.3."""
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    actor.train()
    actor.score(3.8)
    return actor


def test_nothing_is_asked_before_a_ship_was_announced() -> None:
    actor = Actor()

    actor.hear(work.Start())
    actor.hear(credited(ENOUGH), TREASURY)
    actor.pump()

    assert not actor.orders(mind.ProposePart)


def test_nothing_is_asked_that_could_not_be_paid() -> None:
    actor = Actor()
    actor.hear(announced(), INTEGRATOR)

    actor.hear(credited(TRIAL_PRICE - 1), TREASURY)
    actor.pump()

    assert not actor.orders(mind.ProposePart)


def test_the_question_carries_current_value_history_and_relevant_notes() -> None:
    actor = Actor()
    heard = finding.Trial(author=PEER, part="architecture", value=ROPE, base="m0", gain_bpb=0.2)
    other = finding.Trial(author=PEER, part="mixture", value="{}", base="m0", gain_bpb=0.1)
    advice = ops.Advice(
        contract=ContractId("x/1"), diagnosis="diverged", action="lower_rate", reason="NaN"
    )
    for message, sender in ((heard, PEER), (other, PEER), (advice, DEVOPS)):
        actor.hear(message, sender)

    question = actor.start()

    assert question.current == PARTS["architecture"]
    assert question.history == (heard,)
    assert question.notes == ("advice on x/1: lower_rate (diverged: NaN)",)


def test_an_answer_becomes_a_lease_and_a_training_job_on_the_current_ship() -> None:
    actor = Actor()
    actor.start()

    actor.answer(ROPE)
    (request,) = actor.ctx.told(BROKER)
    actor.ctx.drain()
    assert isinstance(request, lease.Request)
    actor.hear(granted(request.contract), BROKER)

    (job,) = actor.orders(Train)
    assert isinstance(job, Train)
    assert request.gpus == 1
    assert request.bid >= 10 * request.duration
    assert (job.flops, job.corpus, job.max_params) == (GENERATION_0_FLOPS, "c" * 64, 2_000_000)
    assert job.architecture.positions == "rope"
    assert (job.mixture, job.optimizer) == (GENERATION_0_MIXTURE, GENERATION_0_OPTIMIZER)


def test_who_has_more_bids_more_and_never_all() -> None:
    bids = []
    for balance in (TRIAL_PRICE, TRIAL_PRICE + 100_000):
        actor = Actor()
        actor.start(balance)
        actor.answer(ROPE)
        (request,) = actor.ctx.told(BROKER)
        assert isinstance(request, lease.Request)
        bids.append(request.bid)

    assert bids[0] <= LEASE_PRICE
    assert LEASE_PRICE + 45_000 < bids[1] <= LEASE_PRICE + 50_000


@pytest.mark.parametrize(
    ("part", "value", "why"),
    [
        ("architecture", "nonsense", "expected Architecture"),
        ("architecture", PARTS["architecture"], "it is the current value"),
        ("architecture", ROPE.replace('"width":64', '"width":66'), "not divisible"),
        ("optimizer", ROPE, "it is for 'optimizer'"),
    ],
)
def test_nonsense_is_noted_and_the_mind_is_asked_three_times_at_most(
    part: str, value: str, why: str
) -> None:
    actor = Actor()
    actor.start()

    for _ in range(3):
        actor.answer(value, part)

    assert len(actor.orders(mind.ProposePart)) == 3
    assert len(actor.notes()) == 3
    assert all(why in note for note in actor.notes())
    assert not actor.ctx.told(BROKER)
    assert actor.state.is_idle


def test_a_mixture_of_domains_that_the_corpus_lacks_is_nonsense() -> None:
    actor = Actor("mixture")
    actor.start()

    actor.answer(PARTS["mixture"].replace("code", "poems"), "mixture")

    assert "no domain is called poems" in actor.notes()[0]


def test_a_mind_with_nothing_left_is_left_alone_until_there_is_news() -> None:
    actor = Actor()
    actor.start()

    actor.answer("")
    asked = len(actor.orders(mind.ProposePart))
    actor.hear(announced("m1"), INTEGRATOR)
    actor.pump()

    assert asked == 1
    assert len(actor.orders(mind.ProposePart)) == 2


def test_an_answer_about_a_ship_that_has_changed_is_asked_for_again() -> None:
    actor = Actor()
    actor.start()
    actor.hear(announced("m1", architecture=ROPE), INTEGRATOR)

    actor.answer(ROPE)

    question = actor.orders(mind.ProposePart)[-1]
    assert isinstance(question, mind.ProposePart)
    assert question.current == ROPE
    assert not actor.ctx.told(BROKER)


def test_a_gain_is_told_to_near_researchers_noted_and_claimed() -> None:
    actor = claimed()

    (trial,) = actor.ctx.told(PEER)
    assert isinstance(trial, finding.Trial)
    assert (trial.author, trial.value, trial.base, trial.failed) == (ME, ROPE, "m0", "")
    assert trial.gain_bpb == pytest.approx(0.3)
    assert not actor.ctx.told(DEVOPS)
    tag = value_tag("architecture", ROPE)
    assert actor.notes() == [f"trial: architecture {tag} (positions=rope): +0.3000 bpb on m0"]
    (call,) = actor.ctx.told(REVIEWER)
    assert isinstance(call, cn.CallForProposals)
    terms = tasks.replicate_terms(call.terms)
    assert (call.task, call.max_price) == (tasks.REPLICATE, POLICY.review_price)
    assert (terms.part, terms.value, terms.base) == ("architecture", ROPE, "m0")
    assert (dict(terms.parts), terms.base_bpb) == (PARTS, (4.0, 4.2))


def test_a_gain_under_the_threshold_is_told_and_not_claimed() -> None:
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    actor.train()

    actor.score(4.06)

    assert len(actor.ctx.told(PEER)) == 1
    assert not actor.ctx.told(REVIEWER)
    assert actor.state.is_idle


def test_a_loss_is_noted_as_a_dead_end() -> None:
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    actor.train()

    actor.score(4.3)

    assert actor.notes()[0].startswith("dead end: architecture")


def test_a_job_that_fails_is_reported_told_as_failed_and_not_tried_again() -> None:
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    (request,) = actor.ctx.told(BROKER)
    assert isinstance(request, lease.Request)
    actor.hear(granted(request.contract), BROKER)
    actor.ctx.drain()

    failed = work.JobFailed(kind="diverged", reason="loss NaN", step=20)
    actor.hear(failed, ME, MessageId(actor.ctx.ordered))

    assert actor.ctx.told(BROKER) == [
        lease.Release(contract=request.contract, failures=("diverged: loss NaN",))
    ]
    (trial,) = actor.ctx.told(PEER)
    assert isinstance(trial, finding.Trial)
    assert (trial.gain_bpb, trial.failed) == (0.0, "job failed, diverged: loss NaN")
    assert [heard.trial() for heard in actor.state.history] == [trial]
    assert actor.state.is_idle


def test_a_refused_lease_leads_back_to_idle_and_is_not_asked_for_again_at_once() -> None:
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    (request,) = actor.ctx.told(BROKER)
    assert isinstance(request, lease.Request)
    actor.ctx.drain()

    actor.hear(lease.Refused(contract=request.contract, reason="no such gang"), BROKER)

    assert actor.ctx.drain() == [
        ("note", "trial of architecture given up: lease refused: no such gang")
    ]
    assert actor.state.is_idle


def test_a_reason_to_act_that_came_while_busy_is_not_forgotten() -> None:
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    (request,) = actor.ctx.told(BROKER)
    assert isinstance(request, lease.Request)
    actor.hear(credited(2 * ENOUGH), TREASURY)
    actor.ctx.drain()

    actor.hear(lease.Refused(contract=request.contract, reason="no such gang"), BROKER)
    actor.pump()

    assert len(actor.orders(mind.ProposePart)) == 1


def test_without_an_evaluator_the_trial_is_given_up() -> None:
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    actor.train()
    (call,) = actor.ctx.told(EVALUATOR)
    assert isinstance(call, cn.CallForProposals)

    actor.hear(cn.BiddingClosed(contract=call.contract))

    assert "no evaluator proposed" in actor.notes()[-1]
    assert actor.state.is_idle


@pytest.mark.parametrize("decision", ["accept", "reject"])
def test_a_review_is_paid_whatever_it_finds(decision: str) -> None:
    actor = claimed()
    contract = actor.claim()
    actor.ctx.drain()

    actor.settle(contract, REVIEWER, 8_000, verdict(decision))

    assert money.Release(contract=contract, is_accepted=True) in actor.ctx.told(TREASURY)
    assert f": {decision}, +0.2000 bpb on 4 measurements" in actor.notes()[-1]
    assert actor.state.is_idle


def test_the_cheapest_reviewer_wins_and_one_too_dear_is_rejected() -> None:
    actor = claimed()
    contract = actor.claim()
    dear, cheap = ActorId("reviewer-8"), ActorId("reviewer-9")
    actor.ctx.drain()

    for who, price in ((dear, 9_001), (REVIEWER, 8_000), (cheap, 7_000)):
        actor.hear(proposal(contract, who, price), who)
    actor.hear(cn.BiddingClosed(contract=contract))

    assert actor.ctx.told(dear) == [cn.RejectProposal(contract=contract)]
    assert actor.ctx.told(REVIEWER) == [cn.RejectProposal(contract=contract)]
    assert actor.ctx.told(cheap) == [cn.AcceptProposal(contract=contract, price=Credits(7_000))]


def test_a_claim_that_nobody_reviews_is_made_once_more_a_day_later() -> None:
    actor = claimed()
    first = actor.claim()
    actor.ctx.drain()

    actor.hear(cn.BiddingClosed(contract=first))
    assert ("after", DAY, research.ClaimDue(contract=first)) in actor.ctx.effects
    actor.hear(credited(ENOUGH), TREASURY)
    actor.hear(research.ClaimDue(contract=first))
    actor.pump()
    second = actor.claim()
    actor.ctx.drain()
    actor.hear(cn.BiddingClosed(contract=second))

    assert second != first
    assert "dropped: no reviewer proposed" in actor.notes()[-1]
    assert actor.state.shelved == []
    assert not [e for e in actor.ctx.effects if isinstance(e[-1], research.ClaimDue)]


@pytest.mark.parametrize("end", ["failure", "overdue", "denied"])
def test_a_review_that_does_not_come_is_not_paid_and_leads_back_to_idle(end: str) -> None:
    actor = claimed()
    contract = actor.claim()
    actor.hear(proposal(contract, REVIEWER, 8_000), REVIEWER)
    actor.hear(cn.BiddingClosed(contract=contract))
    actor.ctx.drain()

    if end == "denied":
        denied = money.Denied(contract=contract, amount=Credits(8_000), balance=Credits(5))
        actor.hear(denied, TREASURY)
    else:
        actor.hear(money.Secured(contract=contract, amount=Credits(8_000)), TREASURY)
        if end == "failure":
            actor.hear(cn.Failure(contract=contract, reason="no lease"), REVIEWER)
        else:
            actor.hear(cn.Overdue(contract=contract))

    paid = [m for m in actor.ctx.told(TREASURY) if isinstance(m, money.Release) and m.is_accepted]
    assert paid == []
    assert actor.state.is_idle
    assert len(actor.state.shelved) == 1


def test_a_claim_moves_onto_what_somebody_else_swapped_in_meanwhile() -> None:
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    actor.train()
    zero = canonical_json(replace(GENERATION_0_ARCHITECTURE, zero_init=True))
    actor.hear(announced("m1", architecture=zero), INTEGRATOR)

    actor.score(3.8)

    (call,) = actor.ctx.told(REVIEWER)
    assert isinstance(call, cn.CallForProposals)
    terms = tasks.replicate_terms(call.terms)
    both = replace(GENERATION_0_ARCHITECTURE, zero_init=True, positions="rope")
    assert (terms.base, terms.value) == ("m1", canonical_json(both))
    assert value_tag("architecture", canonical_json(both)) in actor.notes()[-1]


@pytest.mark.parametrize(
    ("part", "tried", "swapped"),
    [
        ("architecture", ROPE, ROPE),
        ("architecture", WIDE, canonical_json(replace(GENERATION_0_ARCHITECTURE, width=48))),
        ("mixture", MORE_CODE, PARTS["mixture"].replace('["markov",1]', '["markov",0]')),
    ],
)
def test_a_claim_with_nothing_left_to_claim_is_dropped(part: str, tried: str, swapped: str) -> None:
    actor = Actor(part)
    actor.start()
    actor.answer(tried, part)
    actor.train()
    actor.hear(announced("m1", **{part: swapped}), INTEGRATOR)

    actor.score(3.8)

    assert not actor.ctx.told(REVIEWER)
    assert "dropped: the part was swapped meanwhile" in actor.notes()[-1]
    assert actor.state.is_idle


def poor_with_a_gain() -> Actor:
    actor = Actor()
    actor.start(TRIAL_PRICE)
    actor.answer(ROPE)
    actor.train()
    actor.score(3.8)
    return actor


def test_without_a_reviewer_near_nothing_is_claimed_and_no_money_asked_for() -> None:
    actor = Actor()
    actor.ctx.neighbours = (PEER,)
    actor.start(TRIAL_PRICE)
    actor.answer(ROPE)
    actor.train()

    actor.score(3.8)

    assert not actor.ctx.told(DIRECTOR)
    assert "dropped: no reviewer is near" in actor.notes()[-1]
    assert actor.state.is_idle
    assert actor.state.shelved == []


def test_who_cannot_pay_for_a_review_asks_the_director() -> None:
    actor = poor_with_a_gain()

    (sought,) = actor.ctx.told(DIRECTOR)
    assert isinstance(sought, need.ReviewSought)
    assert (sought.part, sought.amount) == ("architecture", POLICY.review_price)
    assert sought.gain_bpb == pytest.approx(0.3)
    assert not actor.ctx.told(REVIEWER)
    assert actor.state.is_idle


def test_a_claim_that_waited_for_money_is_made_when_it_comes() -> None:
    actor = poor_with_a_gain()
    actor.pump()
    actor.ctx.drain()

    actor.hear(credited(ENOUGH), TREASURY)
    actor.pump()

    assert actor.claim()
    assert not actor.orders(mind.ProposePart)


def test_the_director_is_asked_once_and_again_only_if_the_claim_moved() -> None:
    actor = poor_with_a_gain()
    actor.ctx.drain()
    zero = canonical_json(replace(GENERATION_0_ARCHITECTURE, zero_init=True))

    asked = []
    for manifest, value in (("m1", PARTS["architecture"]), ("m2", zero), ("m3", zero)):
        actor.pump()
        actor.hear(announced(manifest, architecture=value), INTEGRATOR)
        actor.pump()
        asked.append(len(actor.ctx.told(DIRECTOR)))

    assert asked == [0, 1, 1]


def test_a_claim_is_made_on_the_ship_as_it_is_when_another_part_was_swapped() -> None:
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    actor.train()
    muon = canonical_json(replace(GENERATION_0_OPTIMIZER, name="muon", lr=0.02))
    actor.hear(announced("m1", optimizer=muon), INTEGRATOR)

    actor.score(3.8)

    (call,) = actor.ctx.told(REVIEWER)
    assert isinstance(call, cn.CallForProposals)
    terms = tasks.replicate_terms(call.terms)
    assert (terms.base, dict(terms.parts)["optimizer"]) == ("m1", muon)


def test_reviews_of_others_are_learned_from() -> None:
    actor = Actor()
    review = finding.Reviewed(
        part="architecture", value=ROPE, base="m0", decision="reject", gain_bpb=0.01, reason="no"
    )

    actor.hear(review, REVIEWER)
    actor.hear(msgspec.structs.replace(review, value="unreadable"), REVIEWER)
    question = actor.start()

    assert [(t.author, t.gain_bpb) for t in question.history] == [(REVIEWER, 0.01)]
    assert len(question.notes) == 1
    assert value_tag("architecture", ROPE) in question.notes[0]


def test_late_messages_are_declined() -> None:
    actor = Actor()

    actor.hear(granted(ContractId("mine/1")), BROKER)
    actor.hear(proposal(ContractId("mine/2"), EVALUATOR, 1), EVALUATOR)
    actor.hear(cn.Overdue(contract=ContractId("mine/3")))
    actor.answer(ROPE)

    assert actor.ctx.effects == [
        ("tell", BROKER, lease.Release(contract=ContractId("mine/1"))),
        ("tell", EVALUATOR, cn.RejectProposal(contract=ContractId("mine/2"))),
    ]


def test_what_was_spent_is_no_longer_there() -> None:
    actor = Actor()
    actor.start()
    actor.answer(ROPE)
    actor.train()

    actor.score(4.5)

    assert actor.state.balance == ENOUGH - 6_000 - 400


def test_after_a_trial_it_goes_on_while_there_is_money() -> None:
    actor = Actor()
    actor.start(3 * ENOUGH)
    actor.answer(ROPE)
    actor.train()
    actor.score(4.5)
    actor.ctx.drain()

    actor.pump()

    assert len(actor.orders(mind.ProposePart)) == 1


def test_a_checkpoint_is_trained_longer_and_compared_with_the_current_one() -> None:
    actor = Actor("checkpoint")
    actor.hear(announced(), INTEGRATOR)
    actor.hear(credited(3 * ENOUGH), TREASURY)
    actor.pump()

    (request,) = actor.ctx.told(BROKER)
    actor.train("new trunk")
    actor.train("new weights")
    actor.score(0.9, 0.5)

    assert isinstance(request, lease.Request)
    assert 1.95 * 1_100 < request.duration < 2.05 * 1_100 + 120
    (trial,) = actor.ctx.told(PEER)
    assert isinstance(trial, finding.Trial)
    made = read_as(Checkpoint, trial.value)
    assert made == Checkpoint(
        artifact="new weights",
        recipe=recipe_hash(PARTS),
        base="new trunk",
        trunk=trunk_hash(PARTS),
        architecture=GENERATION_0_ARCHITECTURE,
    )
    assert trial.gain_bpb == pytest.approx(0.4)
    assert actor.claim()


def test_a_checkpoint_keeps_a_trunk_of_the_same_recipe() -> None:
    actor = Actor("checkpoint")
    current = checkpoint(recipe="of other practice", base="trunk", trunk=trunk_hash(PARTS))

    actor.hear(announced(checkpoint=current), INTEGRATOR)
    actor.hear(credited(3 * ENOUGH), TREASURY)
    actor.pump()
    (request,) = actor.ctx.told(BROKER)
    assert isinstance(request, lease.Request)
    actor.hear(granted(request.contract), BROKER)

    (job,) = actor.orders(PostTrain)
    assert isinstance(job, PostTrain)
    assert job.artifact == "trunk"


def test_a_checkpoint_of_the_current_recipe_is_not_trained_again() -> None:
    fresh = checkpoint(artifact="x", recipe=recipe_hash(PARTS))
    actor = Actor("checkpoint")

    actor.hear(announced(checkpoint=fresh), INTEGRATOR)
    actor.hear(credited(9 * ENOUGH), TREASURY)
    actor.pump()

    assert not actor.ctx.told(BROKER)


def test_a_recipe_has_one_chance_whoever_took_it() -> None:
    actor = Actor("checkpoint")
    theirs = checkpoint(artifact="theirs", recipe=recipe_hash(PARTS))
    trial = finding.Trial(author=PEER, part="checkpoint", value=theirs, base="m0", gain_bpb=-0.1)

    actor.hear(trial, PEER)
    actor.hear(announced(), INTEGRATOR)
    actor.hear(credited(9 * ENOUGH), TREASURY)
    actor.pump()

    assert not actor.ctx.told(BROKER)


def at_once(messages: Iterable[tuple[ResearchMessage, ActorId]]) -> Actor:
    actor = Actor()
    actor.hear(announced("m00"), INTEGRATOR)
    actor.pump()
    for message, sender in messages:
        actor.hear(message, sender)
    actor.pump()
    return actor


def test_messages_of_one_instant_may_come_in_any_order() -> None:
    messages: list[tuple[ResearchMessage, ActorId]] = [
        (announced("m1"), INTEGRATOR),
        (credited(2 * ENOUGH), TREASURY),
        (
            finding.Trial(author=PEER, part="architecture", value=ROPE, base="m", gain_bpb=0.1),
            PEER,
        ),
        (
            finding.Reviewed(
                part="architecture", value=WIDE, base="m", decision="reject", gain_bpb=0, reason=""
            ),
            REVIEWER,
        ),
        (
            ops.Advice(
                contract=ContractId("x/1"), diagnosis="too_large", action="shrink", reason="big"
            ),
            DEVOPS,
        ),
    ]

    actors = [at_once(order) for order in permutations(messages)]

    questions = {msgspec.json.encode(a.orders(mind.ProposePart)) for a in actors}
    states = {msgspec.json.encode(a.state) for a in actors}
    assert len(questions) == len(states) == 1


def test_proposals_may_come_in_any_order() -> None:
    accepted = set()
    for order in permutations([(ActorId(f"reviewer-{i}"), 7_000 + i % 2) for i in range(4)]):
        actor = claimed()
        contract = actor.claim()
        actor.ctx.drain()
        for who, price in order:
            actor.hear(proposal(contract, who, price), who)
        actor.hear(cn.BiddingClosed(contract=contract))
        accepted.add(msgspec.json.encode(actor.ctx.effects))

    assert len(accepted) == 1


def test_state_survives_json_at_every_stage() -> None:
    stages = [Actor(), Actor(), Actor(), claimed()]
    stages[1].start()
    stages[2].start()
    stages[2].answer(ROPE)
    shelved = claimed()
    shelved.hear(cn.BiddingClosed(contract=shelved.claim()))

    for actor in (*stages, shelved):
        stored = msgspec.json.encode(actor.state)
        assert msgspec.json.decode(stored, type=Research) == actor.state

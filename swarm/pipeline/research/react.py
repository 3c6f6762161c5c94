"""How a researcher reacts: from ships and money to trials, from trials to claims, and on.

Protocol  holder of a lease and initiator of an ``evaluate`` contract (``campaign.py``), initiator
          of a ``replicate`` contract (``claim.py``); tells neighbouring researchers its trials.
States    idle -> asking -> trying -> claiming -> idle; a checkpoint is tried without asking.
          Whatever goes wrong (a refused lease, a failed job, no evaluator, no money, a mind that
          answers nonsense) leads back to idle and is noted. It decides anew when it was announced
          a ship or credited money, and after a trial or a review that cost something: so it comes
          to rest when its money is gone. Who pays for a review, and claims that nobody reviewed:
          ``claiming.py``.
Asks      its mind ``mind.ProposePart``; jobs ``pretraining.train``, ``posttraining.post_train``.
Raises    nothing in itself: late messages are declined, bad answers are noted.
"""

from statistics import fmean
from typing import TypeAlias, TypeGuard, assert_never

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, lease, market, mind, need, ops, research, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import WireError
from swarm.kernel.role import Context
from swarm.pipeline import campaign
from swarm.pipeline.campaign import CampaignMessage
from swarm.pipeline.disciplines import DISCIPLINES, arm, gained
from swarm.pipeline.posttraining.environments.spec import Examined
from swarm.pipeline.posttraining.spec import PostTrained
from swarm.pipeline.pretraining.spec import Trained
from swarm.pipeline.recipe import recipe_hash
from swarm.pipeline.research import buying, checkpointing, claiming, proposing
from swarm.pipeline.research import claim as claims
from swarm.pipeline.research.claim import Claim
from swarm.pipeline.research.state import (
    Attempt,
    Purchase,
    Research,
    Setup,
    jot,
    nudge,
    remember,
    rest,
)
from swarm.pipeline.values import read_environment, value_tag
from swarm.units import Credits

ResearchMessage: TypeAlias = (
    work.Start | need.Announced | ship.Announced | money.Credited
    | research.WakeDue | research.ClaimDue | mind.PartProposed
    | finding.Trial | finding.Reviewed | ops.Advice
    | ship.Swapped | ship.Declined | ship.RolledBack
    | market.CalledBack | Examined | CampaignMessage
)  # fmt: skip


def react(ctx: Context, me: Research, message: ResearchMessage, setup: Setup) -> None:
    """Reacts to one message; the module docstring has the states."""
    match message:
        case work.Start() | need.Announced():
            pass  # it acts on ships and on money
        case ship.Announced():
            me.announced = message
            nudge(ctx, me)
        case money.Credited():
            me.balance = message.balance
            nudge(ctx, me)
        case research.ClaimDue():
            for one in me.shelved:
                one.is_due = one.is_due or one.contract == message.contract
            nudge(ctx, me)
        case research.WakeDue():
            me.is_waking = False
            _decide(ctx, me, setup)
        case mind.PartProposed():
            if proposing.on_proposed(ctx, me, setup, message):
                rest(ctx, me)
        case (
            finding.Trial() | finding.Reviewed() | ops.Advice()
            | ship.Swapped() | ship.Declined() | ship.RolledBack() | market.CalledBack()
        ):  # fmt: skip
            _learn(ctx, me, message, setup)
        case (
            lease.Granted() | lease.Refused() | lease.Pending() | lease.Ended()
            | Trained() | PostTrained() | Examined() | work.JobFailed()
            | cn.Propose() | cn.Refuse() | cn.BiddingClosed() | cn.InformResult() | cn.Failure()
            | cn.Overdue() | money.Secured() | money.Denied()
        ):  # fmt: skip
            _work_on(ctx, me, message, setup)
        case _:
            assert_never(message)


def _decide(ctx: Context, me: Research, setup: Setup) -> None:
    """Begins what there is reason and money for: a claim that waited, or else a trial."""
    if me.announced is None or not me.is_idle:
        return
    me.is_nudged = False
    if claiming.resume(ctx, me, setup, on=me.announced):
        return
    if setup.part == checkpointing.PART:
        checkpointing.begin(ctx, me, setup, me.announced)
    elif setup.part == buying.PART and buying.near_builders(ctx):
        if me.balance >= proposing.price(setup, me.announced) + setup.policy.build_price:
            buying.begin(ctx, me, setup, me.announced)
    else:
        proposing.begin(ctx, me, setup, me.announced)


def _learn(
    ctx: Context,
    me: Research,
    message: finding.Trial | finding.Reviewed | ops.Advice
    | ship.Swapped | ship.Declined | ship.RolledBack | market.CalledBack,
    setup: Setup,
) -> None:  # fmt: skip
    """Takes in what others found out."""
    match message:
        case finding.Trial():
            if message.part == setup.part:
                remember(ctx, me, message)
        case finding.Reviewed():
            if message.part == setup.part:
                _learn_review(ctx, me, message)
        case ops.Advice():
            why = f"{message.diagnosis}: {message.reason}"
            jot(ctx, me, f"advice on {message.contract}: {message.action} ({why})")
        case ship.Swapped():
            jot(ctx, me, f"{message.part} swapped in by {gained(message.part, message.gain_bpb)}")
        case ship.Declined():
            jot(ctx, me, f"{message.part} declined by the integrator: {message.reason}")
        case market.CalledBack():
            me.shunned.append(read_environment(message.environment))
            jot(ctx, me, f"dead end: {message.environment} called back: {message.reason}")
        case ship.RolledBack():
            jot(ctx, me, f"{message.part} rolled back: {message.reason}")
        case _:
            assert_never(message)


def _learn_review(ctx: Context, me: Research, review: finding.Reviewed) -> None:
    """A review is a better trial: more seeds, by somebody else."""
    try:
        tag = value_tag(review.part, review.value)
    except WireError:  # nothing to learn from what cannot be read
        return
    trial = finding.Trial(
        author=ctx.sender,
        part=review.part,
        value=review.value,
        base=review.base,
        gain_bpb=review.gain_bpb,
    )
    remember(ctx, me, trial)
    gain = gained(review.part, review.gain_bpb)
    jot(ctx, me, f"review of {review.part} {tag} by {ctx.sender}: {review.decision}, {gain}")


def _work_on(ctx: Context, me: Research, message: CampaignMessage | Examined, setup: Setup) -> None:
    """Hands a message to the claim, the purchase or the campaign that it is about."""
    means, policy = setup.means, setup.policy
    running = None if me.attempt is None else me.attempt.campaign
    if me.claim is not None and _is_about(message, me.claim):
        _pay(me, message)
        has_ended = claims.advance(
            ctx,
            me.claim,
            message,
            treasury=means.treasury,
            max_price=policy.review_price,
            patience=means.patience,
        )
        if has_ended:
            claiming.on_reviewed(ctx, me, me.claim)
    elif me.attempt and me.attempt.purchase and _is_of(message, me.attempt.purchase, ctx):
        _pay(me, message)
        _buy(ctx, me, message, setup, me.attempt)
    elif isinstance(message, Examined):
        pass  # of a purchase that was given up
    elif me.attempt and running and campaign.concerns(running, message, ctx.cause):
        _pay(me, message)
        if campaign.advance(ctx, running, message, means):
            _on_campaign_ended(ctx, me, setup, me.attempt, running)
    else:
        campaign.decline(ctx, message)


def _is_about(message: CampaignMessage | Examined, claim: Claim) -> TypeGuard[claims.ClaimMessage]:
    return getattr(message, "contract", None) == claim.contract


def _is_of(
    message: CampaignMessage | Examined, purchase: Purchase, ctx: Context
) -> TypeGuard[buying.PurchaseMessage | Examined | work.JobFailed]:
    if isinstance(message, Examined | work.JobFailed):
        return ctx.cause == purchase.examining
    return getattr(message, "contract", None) == purchase.call.contract


def _buy(
    ctx: Context,
    me: Research,
    message: buying.PurchaseMessage | Examined | work.JobFailed,
    setup: Setup,
    attempt: Attempt,
) -> None:
    """Goes on with a purchase, and tries what was bought."""
    if isinstance(message, Examined | work.JobFailed):
        why = buying.on_examined(ctx, me, setup, attempt, message)
        why = why or proposing.try_value(ctx, me, setup, attempt)
    else:
        why = buying.advance(ctx, setup, attempt.purchase, message) if attempt.purchase else ""
    if why:
        jot(ctx, me, f"purchase given up: {why}")
        rest(ctx, me)


def _pay(me: Research, message: CampaignMessage | Examined) -> None:
    """Keeps the books: what the treasury took is no longer there."""
    match message:
        case lease.Granted():
            me.balance = Credits(me.balance - message.price)
        case money.Secured():
            me.balance = Credits(me.balance - message.amount)
        case money.Denied():
            me.balance = message.balance
        case _:
            pass


def _on_campaign_ended(
    ctx: Context, me: Research, setup: Setup, attempt: Attempt, ended: campaign.Campaign
) -> None:
    """Tells what came out, and claims it if it gained enough."""
    if ended.failures and not attempt.value:
        me.recipes.append(recipe_hash(dict(attempt.base.parts)))
        jot(ctx, me, f"checkpoint failed: {ended.reason}")
        rest(ctx, me)
    elif ended.failures:
        _tell(ctx, me, setup, attempt, gain_bpb=0.0, failed=ended.reason)
        rest(ctx, me)
    elif ended.phase == "failed":
        jot(ctx, me, f"trial of {setup.part} given up: {ended.reason}")
        rest(ctx, me)
    else:
        _on_scored(ctx, me, setup, attempt, ended)


def _on_scored(
    ctx: Context, me: Research, setup: Setup, attempt: Attempt, ended: campaign.Campaign
) -> None:
    if setup.part == checkpointing.PART:
        if not checkpointing.on_made(ctx, me, setup, attempt, ended):
            return
        me.recipes.append(recipe_hash(dict(attempt.base.parts)))
    if DISCIPLINES[setup.part].is_trained:
        gain = fmean(arm(attempt.base, setup.part)) - ended.scores[0].bpb
    else:
        current, candidate = ended.scores
        gain = current.bpb - candidate.bpb if not candidate.refusal else 0.0
    _tell(ctx, me, setup, attempt, gain_bpb=gain)
    if gain > setup.policy.claim_threshold:
        claim = Claim(
            part=setup.part,
            value=attempt.value,
            replaces=dict(attempt.base.parts)[setup.part],
            gain_bpb=gain,
        )
        claiming.make(ctx, me, setup, claim, on=me.announced or attempt.base)
    else:
        rest(ctx, me)


def _tell(
    ctx: Context,
    me: Research,
    setup: Setup,
    attempt: Attempt,
    *,
    gain_bpb: float,
    failed: str = "",
) -> None:
    """Remembers a trial, notes it, and tells it to the researchers near."""
    trial = finding.Trial(
        author=ctx.me,
        part=setup.part,
        value=attempt.value,
        base=attempt.base.manifest,
        gain_bpb=gain_bpb,
        failed=failed,
    )
    remember(ctx, me, trial)
    peers = [one for one in ctx.neighbours if one.rpartition("-")[0].endswith("researcher")]
    ctx.tell_all(peers, trial)
    jot(ctx, me, proposing.trial_line(trial, dict(attempt.base.parts)[setup.part]))

"""How a researcher reacts: from ships and money to trials, from trials to claims, and on.

Protocol  holder of a lease and initiator of an ``evaluate`` contract (``campaign.py``), initiator
          of a ``replicate`` contract (``claim.py``); tells neighbouring researchers its trials.
States    idle -> asking -> trying -> claiming -> idle; a checkpoint is tried without asking.
          Whatever goes wrong (a refused lease, a failed job, no evaluator, no money, a mind that
          answers nonsense) leads back to idle and is noted. It decides anew when it was announced
          a ship or credited money, and after a trial or a review that cost something: so it comes
          to rest when its money is gone. Who pays for a review, and claims that nobody reviewed:
          ``claiming.py``.
Asks      its mind ``mind.ProposePart``; jobs ``pretraining.train``.
Raises    nothing in itself: late messages are declined, bad answers are noted.
"""

from statistics import fmean
from typing import TypeAlias, TypeGuard, assert_never

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, lease, mind, need, ops, research, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import WireError
from swarm.kernel.role import Context
from swarm.pipeline import campaign
from swarm.pipeline.campaign import CampaignMessage
from swarm.pipeline.pretraining.recipe import recipe_hash
from swarm.pipeline.pretraining.spec import Trained
from swarm.pipeline.pretraining.values import value_tag
from swarm.pipeline.research import checkpointing, claiming, proposing
from swarm.pipeline.research import claim as claims
from swarm.pipeline.research.claim import Claim
from swarm.pipeline.research.state import Attempt, Research, Setup, jot, nudge, remember, rest
from swarm.units import Credits

ResearchMessage: TypeAlias = (
    work.Start | need.Announced | ship.Announced | money.Credited
    | research.WakeDue | research.ClaimDue | mind.PartProposed
    | finding.Trial | finding.Reviewed | ops.Advice
    | ship.Swapped | ship.Declined | ship.RolledBack | CampaignMessage
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
            | ship.Swapped() | ship.Declined() | ship.RolledBack()
        ):  # fmt: skip
            _learn(ctx, me, message, setup)
        case (
            lease.Granted() | lease.Refused() | lease.Pending() | lease.Ended()
            | Trained() | work.JobFailed()
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
    else:
        proposing.begin(ctx, me, setup, me.announced)


def _learn(
    ctx: Context,
    me: Research,
    message: finding.Trial | finding.Reviewed | ops.Advice
    | ship.Swapped | ship.Declined | ship.RolledBack,
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
            jot(ctx, me, f"{message.part} swapped in by {message.gain_bpb:+.4f} bpb")
        case ship.Declined():
            jot(ctx, me, f"{message.part} declined by the integrator: {message.reason}")
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
    gain = f"{review.gain_bpb:+.4f} bpb"
    jot(ctx, me, f"review of {review.part} {tag} by {ctx.sender}: {review.decision}, {gain}")


def _work_on(ctx: Context, me: Research, message: CampaignMessage, setup: Setup) -> None:
    """Hands a message to the claim or the campaign that it is about."""
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
    elif me.attempt and running and campaign.concerns(running, message, ctx.cause):
        _pay(me, message)
        if campaign.advance(ctx, running, message, means):
            _on_campaign_ended(ctx, me, setup, me.attempt, running)
    else:
        campaign.decline(ctx, message)


def _is_about(message: CampaignMessage, claim: Claim) -> TypeGuard[claims.ClaimMessage]:
    return getattr(message, "contract", None) == claim.contract


def _pay(me: Research, message: CampaignMessage) -> None:
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
    gain: float | None
    if setup.part == checkpointing.PART:
        gain = checkpointing.on_scored(ctx, me, setup, attempt, ended.scores[0])
        if gain is None:
            return
        me.recipes.append(recipe_hash(dict(attempt.base.parts)))
    else:
        gain = fmean(attempt.base.base_bpb) - ended.scores[0].bpb
    _tell(ctx, me, setup, attempt, gain_bpb=gain)
    if gain > setup.policy.claim_threshold_bpb:
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
    outcome = f"failed, {failed}" if failed else f"{gain_bpb:+.4f} bpb"
    verdict = "dead end" if failed or gain_bpb <= 0.0 else "trial"
    label = proposing.label(setup, attempt)
    jot(ctx, me, f"{verdict}: {label}: {outcome} on {attempt.base.manifest[:8]}")

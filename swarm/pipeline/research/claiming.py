"""When a researcher claims a gain: who pays for the review, and what if nobody does it.

A claim that cannot be paid waits for money, and the director is asked for it. One that nobody
reviewed is made once more a day later. Either follows the ship: when somebody else swapped the
part meanwhile, the claim is moved onto what stands there now, or dropped.
"""

from swarm.comms.messages import need, research, ship
from swarm.kernel.role import Context
from swarm.pipeline.disciplines import gained
from swarm.pipeline.research.claim import Claim, near_reviewers, open_claim, rebase
from swarm.pipeline.research.state import Research, Setup, jot, rest
from swarm.pipeline.values import value_tag
from swarm.units import DAY

TRIES = 2
"""How often a claim is made that nobody reviews."""


def make(ctx: Context, me: Research, setup: Setup, claim: Claim, *, on: ship.Announced) -> None:
    """Calls for a review of what a trial just gained, or waits until it can be paid."""
    if not near_reviewers(ctx):  # nor will there be: edges do not change
        jot(ctx, me, f"claim about {_name(claim)} dropped: no reviewer is near")
        rest(ctx, me)
    elif not _follow(ctx, me, claim, on):
        rest(ctx, me)
    elif me.balance >= setup.policy.review_price:
        _open(ctx, me, setup, claim, on)
    else:
        claim.is_due = True
        me.shelved.append(claim)
        _seek(ctx, me, setup, claim)
        rest(ctx, me)


def resume(ctx: Context, me: Research, setup: Setup, *, on: ship.Announced) -> bool:
    """Makes the claim with the largest gain of those that waited long enough, if it can be paid.

    Returns:
        Whether there was one.
    """
    me.shelved = [claim for claim in me.shelved if _follow(ctx, me, claim, on)]
    due = sorted((one for one in me.shelved if one.is_due), key=lambda one: -one.gain_bpb)
    if due and me.balance >= setup.policy.review_price:
        me.shelved.remove(due[0])
        _open(ctx, me, setup, due[0], on)
        return True
    for claim in due:
        if not claim.is_sought:
            _seek(ctx, me, setup, claim)
    return False


def on_reviewed(ctx: Context, me: Research, claim: Claim) -> None:
    """Notes the verdict, or puts the claim aside for a day if there is none."""
    about = f"claim {claim.contract} about {_name(claim)}"
    if claim.result is not None:
        gain = f"{gained(claim.part, claim.result.gain_bpb)} on {claim.result.n} measurements"
        jot(ctx, me, f"{about}: {claim.result.decision}, {gain}, {claim.result.reason}")
    elif claim.n_tries < TRIES:
        jot(ctx, me, f"{about} waits for a day: {claim.reason}")
        claim.is_due = False
        me.shelved.append(claim)
        ctx.after(DAY, research.ClaimDue(contract=claim.contract))
    else:
        jot(ctx, me, f"{about} dropped: {claim.reason}")
    rest(ctx, me)


def _follow(ctx: Context, me: Research, claim: Claim, on: ship.Announced) -> bool:
    """Moves a claim onto the ship as it is; returns whether there is something left to claim."""
    before = _name(claim)
    match rebase(claim, dict(on.parts)[claim.part]):
        case "kept":
            return True
        case "moved":
            claim.is_sought = False  # what was asked for was a review of the old one
            jot(ctx, me, f"claim about {before} moved to {_name(claim)}: the part was swapped")
            return True
        case "void":
            jot(ctx, me, f"claim about {before} dropped: the part was swapped meanwhile")
            return False


def _open(ctx: Context, me: Research, setup: Setup, claim: Claim, on: ship.Announced) -> None:
    me.attempt, me.claim = None, claim
    claim.is_sought = False
    open_claim(
        ctx,
        claim,
        contract=me.numbering.fresh(ctx),
        reviewers=near_reviewers(ctx),
        on=on,
        max_price=setup.policy.review_price,
        window=setup.means.bidding_window,
    )


def _seek(ctx: Context, me: Research, setup: Setup, claim: Claim) -> None:
    """Asks the director for the whole price: what is at hand goes into the next trial."""
    claim.is_sought = True
    price = setup.policy.review_price
    sought = need.ReviewSought(
        part=claim.part, gain_bpb=claim.gain_bpb, amount=price, replaces=claim.replaces
    )
    ctx.tell(setup.policy.director, sought)
    jot(
        ctx,
        me,
        f"claim about {_name(claim)} ({gained(claim.part, claim.gain_bpb)}) waits for money",
    )


def _name(claim: Claim) -> str:
    return f"{claim.part} {value_tag(claim.part, claim.value)}"

"""What a researcher of a recipe's part begins: it asks its mind, checks the answer, trains it."""

from msgspec.structs import replace

from swarm.comms.messages import mind, ship
from swarm.errors import WireError
from swarm.kernel.role import Context
from swarm.pipeline import campaign
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.recipe import train_spec
from swarm.pipeline.pretraining.spec import Mixture
from swarm.pipeline.pretraining.values import describe, identity, read_value, value_tag
from swarm.pipeline.research.state import (
    Attempt,
    Research,
    Setup,
    bidding_means,
    jot,
    trial_price,
)
from swarm.units import Flops

ASKS = 3
"""Times that a mind is asked for one trial before the researcher gives up."""

_SEEDS = 2**31


def begin(ctx: Context, me: Research, setup: Setup, on: ship.Announced) -> None:
    """Asks the mind for something to try, if the trial can be paid.

    A tenth is kept in hand: whole steps may cost a little more than the budget.
    """
    flops = setup.policy.flops
    if me.balance >= trial_price(setup, Flops(flops + flops // 10)):
        me.attempt = Attempt(base=on, balance=me.balance)
        _ask(ctx, me, setup, me.attempt)


def on_proposed(ctx: Context, me: Research, setup: Setup, answer: mind.PartProposed) -> bool:
    """Starts the trial that the mind proposed; asks again if the answer cannot be used.

    An answer to a question that is not open is late, and changes nothing.

    Returns:
        Whether the attempt has ended, because the mind has nothing to offer.
    """
    attempt, now = me.attempt, me.announced
    if attempt is None or attempt.question != ctx.cause or now is None:
        return False
    if not answer.value:
        jot(ctx, me, f"my mind has nothing left to try for {setup.part}: {answer.reason}")
        return True
    if now.manifest != attempt.base.manifest:
        attempt.base = now
        problem = "the ship has changed since the question"
    else:
        problem = _problem(answer, setup, attempt) or _start(ctx, me, setup, attempt, answer)
    if not problem:
        return False
    jot(ctx, me, f"proposal for {setup.part} not used: {problem}")
    if attempt.n_asked == ASKS:
        return True
    _ask(ctx, me, setup, attempt)
    return False


def label(setup: Setup, attempt: Attempt) -> str:
    """Returns what notebooks call the value that is tried: part, tag, and what differs."""
    current = dict(attempt.base.parts)[setup.part]
    tag = value_tag(setup.part, attempt.value)
    return f"{setup.part} {tag} ({describe(setup.part, attempt.value, current)})"


def _ask(ctx: Context, me: Research, setup: Setup, attempt: Attempt) -> None:
    query = f"{setup.part} trial dead end failed review advice"
    lines = [line.text for line in me.notes]
    question = mind.ProposePart(
        part=setup.part,
        current=dict(attempt.base.parts)[setup.part],
        history=tuple(heard.trial() for heard in me.history),
        notes=setup.recall(lines, query, setup.policy.note_budget_chars),
        seed=ctx.rng("mind").integer(_SEEDS),
    )
    attempt.n_asked += 1
    attempt.question = ctx.ask(question, takes=setup.policy.thinking)


def _problem(answer: mind.PartProposed, setup: Setup, attempt: Attempt) -> str:
    """Returns why an answer is not one to its question; empty if it is."""
    if answer.part != setup.part:
        return f"it is for {answer.part!r}"
    current = dict(attempt.base.parts)[setup.part]
    try:
        value = read_value(setup.part, answer.value)
        if identity(setup.part, answer.value) == identity(setup.part, current):
            return "it is the current value"
    except WireError as wrong:
        return str(wrong)
    known = read_value(setup.part, current)
    if isinstance(value, Mixture) and isinstance(known, Mixture):
        unknown = sorted(dict(value.weights).keys() - dict(known.weights).keys())
        if unknown:
            return f"no domain is called {', '.join(unknown)}"
    return ""


def _start(
    ctx: Context, me: Research, setup: Setup, attempt: Attempt, answer: mind.PartProposed
) -> str:
    """Requests the lease; returns why not, or nothing if it did."""
    policy = setup.policy
    attempt.value = canonical_json(read_value(setup.part, answer.value))
    spec = train_spec(
        dict(attempt.base.parts) | {setup.part: attempt.value},
        corpus=policy.corpus,
        flops=policy.flops,
        seed=ctx.rng("seeds").integer(_SEEDS),
    )
    needed = trial_price(setup, spec.cost())
    if needed > me.balance:
        return f"one step of it is too dear: {needed} micro-credits, there are {me.balance}"
    takes = setup.ticks(spec.cost())
    attempt.campaign = campaign.start(
        ctx,
        bidding_means(me, setup, takes, needed=needed),
        lease_contract=me.numbering.fresh(ctx),
        scoring_contract=me.numbering.fresh(ctx),
        purpose=f"trial of {label(setup, attempt)}",
        specs=[replace(spec, max_params=policy.max_params)],
        takes=[takes],
        gpus=1,
    )
    return ""

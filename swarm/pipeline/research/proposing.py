"""What a researcher of a recipe's part begins: it asks its mind, checks the answer, trains it."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from swarm.comms.messages import mind, ship
from swarm.comms.messages.finding import Trial
from swarm.comms.messages.ship import PartValue
from swarm.errors import WireError
from swarm.kernel.role import Context
from swarm.pipeline import campaign
from swarm.pipeline.campaign import Job
from swarm.pipeline.disciplines import DISCIPLINES, gained
from swarm.pipeline.harness.spec import NotebookPolicy, Recall
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.recipes import EnvironmentSet
from swarm.pipeline.pretraining.spec import Mixture
from swarm.pipeline.recipe import post_budget, post_train_spec, train_spec
from swarm.pipeline.replication import score_values
from swarm.pipeline.research.state import (
    SHOWN,
    Attempt,
    Research,
    Setup,
    bidding_means,
    jot,
    trial_price,
)
from swarm.pipeline.values import describe, identity, read_as, read_value, value_tag
from swarm.units import Credits, Flops

ASKS = 3
"""Times that a mind is asked for one trial before the researcher gives up."""

INSTEAD: Mapping[str, Recall] = {"off": "none", "shuffled": "shuffled"}
"""How notes are recalled, whatever the ship's notebook says, where they are switched so."""

_SEEDS = 2**31


def begin(ctx: Context, me: Research, setup: Setup, on: ship.Announced) -> None:
    """Asks the mind for something to try, if the trial can be paid."""
    if me.balance >= price(setup, on):
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
        problem = _problem(answer, setup, attempt, me.shunned) or _start(
            ctx, me, setup, attempt, answer
        )
    if not problem:
        return False
    jot(ctx, me, f"proposal for {setup.part} not used: {problem}")
    if attempt.n_asked == ASKS:
        return True
    _ask(ctx, me, setup, attempt)
    return False


def query(part: str) -> str:
    """Returns the words by which notes are recalled for a question about a part."""
    return f"{part} dead end failed advice"


def label(setup: Setup, attempt: Attempt) -> str:
    """Returns what notebooks call the value that is tried: part, tag, and what differs."""
    current = dict(attempt.base.parts)[setup.part]
    return _label(setup.part, attempt.value, current)


def trial_line(trial: Trial, current: PartValue) -> str:
    """Returns the line that a notebook keeps of a trial of a value against the current one."""
    outcome = f"failed, {trial.failed}" if trial.failed else gained(trial.part, trial.gain_bpb)
    verdict = "dead end" if trial.failed or trial.gain_bpb <= 0.0 else "trial"
    name = _label(trial.part, trial.value, current)
    return f"{verdict}: {name}: {outcome} on {trial.base[:8]}"


def _label(part: str, value: PartValue, current: PartValue) -> str:
    return f"{part} {value_tag(part, value)} ({describe(part, value, current)})"


def _ask(ctx: Context, me: Research, setup: Setup, attempt: Attempt) -> None:
    lines = [line.text for line in me.notes]
    notebook = read_as(NotebookPolicy, dict(attempt.base.parts)["notebook"])
    how = INSTEAD.get(setup.policy.notes, notebook.recall)
    seed = ctx.rng("mind").integer(_SEEDS)
    question = mind.ProposePart(
        part=setup.part,
        current=dict(attempt.base.parts)[setup.part],
        history=tuple(heard.trial() for heard in me.history[-SHOWN:]),
        notes=setup.remind(how, lines, query(setup.part), notebook.budget_chars, seed),
        seed=seed,
    )
    attempt.n_asked += 1
    attempt.question = ctx.ask(question, takes=setup.policy.thinking)


def _problem(
    answer: mind.PartProposed, setup: Setup, attempt: Attempt, shunned: Sequence[EnvSpec]
) -> str:
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
    if isinstance(value, EnvironmentSet) and any(one in shunned for one in value.specs):
        return "an environment of it was called back"
    known = read_value(setup.part, current)
    if isinstance(value, Mixture) and isinstance(known, Mixture):
        unknown = sorted(dict(value.weights).keys() - dict(known.weights).keys())
        if unknown:
            return f"no domain is called {', '.join(unknown)}"
    return ""


def _start(
    ctx: Context, me: Research, setup: Setup, attempt: Attempt, answer: mind.PartProposed
) -> str:
    attempt.value = canonical_json(read_value(setup.part, answer.value))
    return try_value(ctx, me, setup, attempt)


def try_value(ctx: Context, me: Research, setup: Setup, attempt: Attempt) -> str:
    """Requests the lease, or the scores; returns why not, or nothing if it did."""
    parts = dict(attempt.base.parts)
    if not DISCIPLINES[setup.part].is_trained:
        attempt.campaign = score_values(
            ctx,
            setup.means,
            me.numbering,
            part=setup.part,
            values=(parts[setup.part], attempt.value),
            parts=parts,
            seed=setup.means.scoring_seed,
        )
        return ""
    spec = _spec(ctx, setup, parts | {setup.part: attempt.value})
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
        specs=[spec],
        takes=[takes],
        gpus=1,
        benchmark=DISCIPLINES[setup.part].benchmark,
    )
    return ""


def _spec(ctx: Context, setup: Setup, parts: Mapping[str, PartValue]) -> Job:
    policy, seed = setup.policy, ctx.rng("seeds").integer(_SEEDS)
    if DISCIPLINES[setup.part].benchmark == "unsolved":
        return post_train_spec(parts, steps=policy.post_steps, seed=seed)
    spec = train_spec(parts, corpus=policy.corpus, flops=policy.flops, seed=seed)
    return replace(spec, max_params=policy.max_params)


def price(setup: Setup, on: ship.Announced) -> Credits:
    """Returns what must be at hand before the mind is asked.

    A tenth is kept in hand: whole steps may cost a little more than the budget.
    """
    match DISCIPLINES[setup.part]:
        case (_, False, _):
            return trial_price(setup, n_scores=2)
        case ("unsolved", _, _):
            budget = post_budget(dict(on.parts), steps=setup.policy.post_steps)
        case _:
            budget = setup.policy.flops
    return trial_price(setup, Flops(budget + budget // 10))

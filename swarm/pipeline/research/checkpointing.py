"""What a researcher of checkpoints begins: it takes the ship's recipe from nothing to weights.

Pre-training for longer, unless the current checkpoint's pre-trained weights are of the same recipe;
then post-training; then both the new and the current weights are scored on the same blocks.
"""

from msgspec.structs import replace

from swarm.comms.messages import ship
from swarm.errors import WireError
from swarm.kernel.role import Context
from swarm.pipeline import campaign
from swarm.pipeline.campaign import Campaign, Job
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import Architecture
from swarm.pipeline.recipe import (
    Start,
    post_budget,
    post_train_spec,
    recipe_hash,
    train_spec,
    trunk_hash,
)
from swarm.pipeline.replication import score_values
from swarm.pipeline.research.state import Attempt, Research, Setup, bidding_means, trial_price
from swarm.pipeline.values import Checkpoint, read_as
from swarm.units import Credits

PART = "checkpoint"

_SEEDS = 2**31


def begin(ctx: Context, me: Research, setup: Setup, on: ship.Announced) -> None:
    """Begins a checkpoint of the ship's recipe, if it can be paid.

    Not if the checkpoint is of this recipe already, or somebody near has tried it.
    """
    parts = dict(on.parts)
    now = read_as(Checkpoint, parts[PART])
    if recipe_hash(parts) in (now.recipe, *_tried(me)):
        return
    attempt = Attempt(base=on, balance=me.balance)
    if now.trunk == trunk_hash(parts):
        attempt.trunk = now.base
    if _price(setup, attempt) <= me.balance:
        me.attempt = attempt
        _train(ctx, me, setup, attempt)


def on_made(ctx: Context, me: Research, setup: Setup, attempt: Attempt, made: Campaign) -> bool:
    """Goes on after a campaign of this attempt.

    Returns:
        Whether both checkpoints have been scored, so that ``made`` holds their scores.
    """
    if made.scores:
        return True
    if not attempt.trunk:
        attempt.trunk = made.artifacts[0]
        _train(ctx, me, setup, attempt)
        return False
    parts = dict(attempt.base.parts)
    weights = Checkpoint(
        artifact=made.artifacts[0],
        recipe=recipe_hash(parts),
        base=attempt.trunk,
        trunk=trunk_hash(parts),
        architecture=_shape(attempt),
    )
    attempt.value = canonical_json(weights)
    attempt.campaign = score_values(
        ctx,
        setup.means,
        me.numbering,
        part=PART,
        values=(parts[PART], attempt.value),
        parts=parts,
        seed=setup.means.scoring_seed,
    )
    return False


def _train(ctx: Context, me: Research, setup: Setup, attempt: Attempt) -> None:
    """Trains what comes next: the trunk, or what is to grow on it."""
    spec = _spec(ctx, setup, attempt)
    takes = setup.ticks(spec.cost())
    attempt.campaign = campaign.start(
        ctx,
        bidding_means(me, setup, takes, needed=_price(setup, attempt)),
        lease_contract=me.numbering.fresh(ctx),
        scoring_contract=me.numbering.fresh(ctx),
        purpose=f"checkpoint of recipe {recipe_hash(dict(attempt.base.parts))[:8]}",
        specs=[spec],
        takes=[takes],
        gpus=1,
        benchmark=None,
    )


def _spec(ctx: Context, setup: Setup, attempt: Attempt) -> Job:
    parts, policy = dict(attempt.base.parts), setup.policy
    seed = ctx.rng("seeds").integer(_SEEDS)
    if attempt.trunk:
        start = Start(attempt.trunk, _shape(attempt))
        return post_train_spec(parts, start=start, steps=policy.post_steps, seed=seed)
    spec = train_spec(parts, corpus=policy.corpus, flops=policy.checkpoint_flops, seed=seed)
    return replace(spec, max_params=policy.max_params)


def _price(setup: Setup, attempt: Attempt) -> Credits:
    """Returns what is still to be paid until both checkpoints are scored."""
    policy = setup.policy
    parts, shape = dict(attempt.base.parts), _shape(attempt)
    post = post_budget(parts, steps=policy.post_steps, architecture=shape)
    ahead = [post] if attempt.trunk else [policy.checkpoint_flops, post]
    return trial_price(setup, *ahead, n_scores=2)


def _shape(attempt: Attempt) -> Architecture:
    """Returns the shape of the trunk: a trunk that is kept has the ship's, like its recipe."""
    return read_as(Architecture, dict(attempt.base.parts)["architecture"])


def _tried(me: Research) -> list[str]:
    """Returns recipes of which this actor or a neighbour has trained a checkpoint."""
    tried = list(me.recipes)
    for heard in me.history:
        try:
            tried.append(read_as(Checkpoint, heard.trial().value).recipe)
        except WireError:  # a neighbour wrote it
            continue
    return tried

"""What a researcher of checkpoints begins: it trains the ship's recipe for longer.

The new weights are compared with the current ones on the same blocks of text.
"""

from msgspec.structs import replace

from swarm.comms.messages import ship
from swarm.errors import WireError
from swarm.kernel.role import Context
from swarm.pipeline import campaign, tasks
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.recipe import recipe_hash, train_spec
from swarm.pipeline.pretraining.values import Checkpoint, read_as
from swarm.pipeline.research.state import Attempt, Research, Setup, bidding_means, trial_price

PART = "checkpoint"

_SEEDS = 2**31


def begin(ctx: Context, me: Research, setup: Setup, on: ship.Announced) -> None:
    """Trains the recipe for longer, if it can be paid.

    Not if the checkpoint is of this recipe already, or somebody near has tried it.
    """
    parts, policy = dict(on.parts), setup.policy
    recipe = recipe_hash(parts)
    if recipe in (read_as(Checkpoint, parts[PART]).recipe, *_tried(me)):
        return
    seed = ctx.rng("seeds").integer(_SEEDS)
    spec = train_spec(parts, corpus=policy.corpus, flops=policy.checkpoint_flops, seed=seed)
    needed = trial_price(setup, spec.cost(), n_rivals=1)
    if needed > me.balance:
        return
    takes = setup.ticks(spec.cost())
    me.attempt = Attempt(base=on, balance=me.balance)
    me.attempt.campaign = campaign.start(
        ctx,
        bidding_means(me, setup, takes, needed=needed),
        lease_contract=me.numbering.fresh(ctx),
        scoring_contract=me.numbering.fresh(ctx),
        purpose=f"checkpoint of recipe {recipe[:8]}",
        specs=[replace(spec, max_params=policy.max_params)],
        takes=[takes],
        gpus=1,
    )


def on_scored(
    ctx: Context, me: Research, setup: Setup, attempt: Attempt, score: tasks.Score
) -> float | None:
    """Has the current checkpoint scored after the new one, on the same blocks.

    Returns:
        The gain once both are scored; nothing while the current one is not.
    """
    if attempt.score_bpb is not None:
        return score.bpb - attempt.score_bpb
    parts = dict(attempt.base.parts)
    made = Checkpoint(artifact=score.artifact, recipe=recipe_hash(parts))
    attempt.value, attempt.score_bpb = canonical_json(made), score.bpb
    attempt.campaign = campaign.start_scoring(
        ctx,
        setup.means,
        scoring_contract=me.numbering.fresh(ctx),
        artifacts=[read_as(Checkpoint, parts[PART]).artifact],
        seed=setup.means.scoring_seed,
    )
    return None


def _tried(me: Research) -> list[str]:
    """Returns recipes of which this actor or a neighbour has trained a checkpoint."""
    tried = list(me.recipes)
    for heard in me.history:
        try:
            tried.append(read_as(Checkpoint, heard.trial().value).recipe)
        except WireError:  # a neighbour wrote it
            continue
    return tried

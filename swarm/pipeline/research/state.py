"""What a researcher knows, wants and can afford: state, configuration, and small steps on them."""

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from swarm.comms.contracts import Call
from swarm.comms.messages import research, ship
from swarm.comms.messages.finding import Trial
from swarm.comms.messages.ship import PartValue
from swarm.kernel.message import NO_MESSAGE, ActorId, MessageId
from swarm.kernel.role import Context
from swarm.pipeline.campaign import Campaign, Means, Numbering, lease_duration
from swarm.pipeline.campaign import price as campaign_price
from swarm.pipeline.harness.spec import Recall
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.research.claim import Claim
from swarm.units import Credits, Flops, Ticks

HISTORY = 200
"""Trials that are remembered; the oldest are forgotten first."""

SHOWN = 24
"""Trials that a question carries: what was before them, a mind knows from its notes or not."""

NOTES = 100
"""Own lines that are remembered; the notebook on disk keeps all."""

Remind: TypeAlias = Callable[[Recall, Sequence[str], str, int, int], tuple[str, ...]]
"""(how, lines, query, budget in characters, seed) -> the lines that are shown."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a researcher works: configuration, the same for all of a role."""

    corpus: str
    """Hash of the corpus."""
    flops: Flops
    """Nominal budget of one pre-training trial: that of the ship's arm, or gains mean nothing."""
    post_steps: int
    """Budget of one post-training trial, in reference steps; the same holds for it."""
    checkpoint_flops: Flops
    """Nominal budget of a checkpoint's pre-training."""
    max_params: int | None
    """A larger model fails with kind ``limit``."""
    claim_threshold: float
    """A trial that gains less is told, but not claimed; in the unit of the part's benchmark."""
    build_price: Credits
    """What an environment may cost."""
    exam: tuple[EnvSpec, ...]
    """What models are examined on: what builders are told is wanted."""
    review_price: Credits
    """What a review may cost; dearer proposals are rejected."""
    director: ActorId
    """Who is asked for the price of a review that the researcher cannot pay."""
    spare_percent: int
    """Share, 0 to 100, of what is left beyond trial and review that is added to a bid."""
    thinking: Ticks
    """How long the mind takes."""
    notes: Literal["on", "off", "shuffled"] = "on"
    """Which notes the mind sees: those that the ship's notebook recalls; none; any."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One researcher's configuration, with the tools that the floors beside the pipeline give."""

    part: str
    policy: Policy
    means: Means
    ticks: Callable[[Flops], Ticks]
    """How long nominal work takes on one GPU."""
    remind: Remind


class Heard(msgspec.Struct, frozen=True, order=True):
    """A trial, made or heard of."""

    at: Ticks
    author: ActorId
    text: str
    """JSON of the trial: with it, equal times are put in one order."""

    def trial(self) -> Trial:
        """Returns the trial."""
        return msgspec.json.decode(self.text, type=Trial)


class Line(msgspec.Struct, frozen=True, order=True):
    """A line of the own notebook."""

    at: Ticks
    text: str


class Purchase(msgspec.Struct, kw_only=True):
    """An environment that is being bought."""

    call: Call
    environment: EnvSpec | None = None
    """What was built, before it is paid."""
    examining: MessageId = NO_MESSAGE
    """What ``ctx.run`` returned for the buyer's own examination."""


class Attempt(msgspec.Struct, kw_only=True):
    """A trial in the making, from the question to the score."""

    base: ship.Announced
    """The ship that it is tried on."""
    balance: Credits
    """What the researcher had when it began."""
    question: MessageId = NO_MESSAGE
    """What ``ctx.ask`` returned for the question that is open."""
    n_asked: int = 0
    value: PartValue = ""
    campaign: Campaign | None = None
    purchase: Purchase | None = None
    trunk: str = ""
    """Pre-trained artifact of a checkpoint in the making, once there is one."""


class Research(msgspec.Struct, kw_only=True):
    """All that a researcher remembers."""

    numbering: Numbering = msgspec.field(default_factory=Numbering)
    balance: Credits = Credits(0)
    """As last told by the treasury, less what was spent since."""
    announced: ship.Announced | None = None
    attempt: Attempt | None = None
    claim: Claim | None = None
    """Under review."""
    shelved: list[Claim] = []
    """To be made once more."""
    is_waking: bool = False
    """Whether ``WakeDue`` is under way."""
    is_nudged: bool = False
    """Whether there was a reason to decide anew while it was busy."""
    history: list[Heard] = []
    """Trials of its part, its own and its neighbours', by time."""
    notes: list[Line] = []
    shunned: list[EnvSpec] = []
    """Environments that were called back."""
    recipes: list[str] = []
    """Recipes that it trained a checkpoint of."""

    @property
    def is_idle(self) -> bool:
        """Whether it could begin something."""
        return self.attempt is None and self.claim is None


def nudge(ctx: Context, me: Research) -> None:
    """Decides anew one tick later, when all that comes now has come; after the work if busy.

    So nothing that is decided depends on the order in which messages of one instant arrive.
    """
    if not me.is_idle:
        me.is_nudged = True
    elif not me.is_waking:
        me.is_waking = True
        ctx.after(Ticks(1), research.WakeDue())


def rest(ctx: Context, me: Research) -> None:
    """Becomes idle, and decides anew if there was reason to while it was busy.

    What cost something is a reason: a trial, or the claim after it. What cost nothing (a lease
    that was refused) is none, or it would be tried for ever.
    """
    has_cost = me.attempt is None or me.balance < me.attempt.balance
    me.attempt, me.claim = None, None
    if has_cost or me.is_nudged:
        me.is_nudged = False
        nudge(ctx, me)


def remember(ctx: Context, me: Research, trial: Trial) -> None:
    """Adds a trial to the history."""
    text = msgspec.json.encode(trial).decode()
    insort(me.history, Heard(at=ctx.now, author=trial.author, text=text))
    del me.history[:-HISTORY]


def jot(ctx: Context, me: Research, text: str) -> None:
    """Writes a line into the notebook, and keeps it for recall."""
    ctx.note(text)
    insort(me.notes, Line(at=ctx.now, text=text))
    del me.notes[:-NOTES]


def trial_price(setup: Setup, *flops: Flops, n_scores: int = 1) -> Credits:
    """Returns what must be at hand before a trial begins: the price of its leases and its scores.

    Args:
        setup: Configuration.
        flops: Nominal costs of the trainings, one after another.
        n_scores: Subjects that are scored.
    """
    scores = n_scores * setup.means.max_price_per_score
    leases = sum(
        campaign_price([setup.ticks(one)], gpus=1, means=setup.means)
        - setup.means.max_price_per_score
        for one in flops
    )
    return Credits(leases + scores)


def bidding_means(me: Research, setup: Setup, takes: Ticks, *, needed: Credits) -> Means:
    """Returns the means for one campaign: who has more than it needs bids more.

    Args:
        me: State.
        setup: Configuration; its means hold the least bid.
        takes: Duration of the training.
        needed: What ``trial_price`` says.
    """
    means = setup.means
    spare = max(0, me.balance - needed) * setup.policy.spare_percent // 100
    length = lease_duration([max(takes, means.lookahead)], gpus=1, lookahead=means.lookahead)
    bid = Credits(means.bid_per_gpu_tick + spare // length)
    return msgspec.structs.replace(means, bid_per_gpu_tick=bid)

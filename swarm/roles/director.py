"""Director: grants income against needs, and lets the lab come to rest when the budget is spent.

Protocol  ``comms/messages/need.py`` and ``treasury.Grant``; hears what became of findings
          (``comms/messages/ship.py``, ``finding.Reviewed``).
States    opening -> granting, once per epoch -> resting, when what is left is less than a grant or
          there is nobody to grant it to. Beside that it funds reviews, while any is sought.
Asks      nobody.
Raises    ``UsageError`` at construction for a budget that cannot be granted.

A part's need is a weight, kept in thousandths of the whole; at first all are equal. At each epoch
it is halved for every swap of the part since the last one (the deficit shrank), multiplied by 4/5
for every finding on it that was rejected, declined or rolled back, and by 5/4 if nobody worked on
it: nothing was heard about it and nobody was granted income for it. Grants are drawn, one after
another: first a part, by need, then an actor of that part who had none in this epoch; its chance is
one, plus two for each of its swaps that still stand.

Environments that are published are audited (``pipeline/auditing.py``).

Reviews that researchers cannot pay (``need.ReviewSought``) have a budget of their own. At fixed
times one is funded for each part on which none is under way: that with the largest gain.

Over 300 lines: needs, income and reviews spend one budget, and are read together.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import finding, market, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.comms.messages.ship import PartValue
from swarm.comms.shares import apportion, draw
from swarm.errors import UsageError
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.rng import Stream
from swarm.kernel.role import Context
from swarm.pipeline.auditing import Audits, on_audited, on_published
from swarm.units import DAY, HOUR, Credits, Ticks

Inbox: TypeAlias = (
    work.Start | need.EpochDue | need.Announced | need.ReviewSought | need.FundingDue
    | ship.Announced | ship.Swapped | ship.Declined | ship.RolledBack
    | finding.Trial | finding.Reviewed | money.Credited | market.Published | market.Audited
)  # fmt: skip

WHOLE = 1_000
"""Needs sum to this."""

LEAST = 20
"""No part is ever given up: a need is raised to this before all are scaled to the whole."""

AFTER_SWAP = Fraction(1, 2)
AFTER_SETBACK = Fraction(4, 5)
WITHOUT_WORK = Fraction(5, 4)

_RECORD = 2
"""What a swap adds to an actor's chance."""

_NONE = Credits(0)
_TWO_DAYS = Ticks(2 * DAY)


class News(msgspec.Struct):
    """What was heard about a part since the last epoch. Sums: their order cannot matter."""

    swaps: int = 0
    setbacks: int = 0


class Plea(msgspec.Struct, frozen=True):
    """A review that somebody asks to be paid for."""

    part: str
    author: ActorId
    gain_bpb: float
    amount: Credits
    replaces: PartValue
    scale: float = 1.0
    """The gain from which on something of that part is claimed: units differ from part to part."""

    @property
    def turn(self) -> tuple[float, ActorId, Credits]:
        """Sorts pleas: the largest gain first, counted in what is worth a claim."""
        return -self.gain_bpb / self.scale, self.author, self.amount


class DirectorState(msgspec.Struct):
    """Needs by part, records by actor, and what is left."""

    needs: dict[str, int]
    left: Credits
    epoch: int = 0
    news: dict[str, News] = {}
    funded: list[str] = []
    """Parts for which income was granted in this epoch."""
    swaps: dict[ContractId, ActorId] = {}
    """Authors by contract of what was swapped in."""
    rolled_back: dict[ContractId, str] = {}
    """Parts by contract of swaps that were undone."""
    left_for_reviews: Credits = Credits(0)
    pleas: list[Plea] = []
    under_review: dict[str, Ticks] = {}
    """Parts, and since when a review of one that was paid for is under way."""
    is_funding_set: bool = False
    audits: Audits = msgspec.field(default_factory=lambda: Audits(left=_NONE))
    """Of environments on the market."""
    current: dict[str, PartValue] = {}
    """What the ship has, part by part, as far as was heard."""


class Director:
    """Spends a budget.

    Args:
        researchers: Actors by the part they work on.
        integrator: Gets working capital at the start.
        treasury: Who mints.
        everyone: Who hears the needs, itself not among them.
        budget: All that is ever granted.
        capital: The integrator's share, granted at the start.
        grant: What a researcher gets at a time.
        grants: The same by part, where it is another amount.
        scales: By part, the gain from which on something is claimed; reviews are paid in the order
            of gains divided by it.
        grants_per_epoch: How many get one.
        epoch: Ticks between incomes.
        reward: What a swap earns; announced.
        review_budget: All that is granted for reviews, beside ``budget``.
        funding_every: Ticks between choices of reviews.
        review_patience: Ticks after which a review of which nothing was heard is given up.
        auditors: Who attacks environments that are published.
        traders: Who hears which environments are called back.
        bounty: What a demonstrated exploit earns.
        bounty_budget: All that is granted for exploits, beside ``budget``.

    Raises:
        UsageError: If the grant, their number or the epoch is below 1, which would never end, or
            the budget does not cover the integrator's capital.
    """

    def __init__(
        self,
        *,
        researchers: Mapping[str, Sequence[ActorId]],
        integrator: ActorId,
        treasury: ActorId,
        everyone: Sequence[ActorId],
        budget: Credits,
        capital: Credits,
        grant: Credits,
        grants_per_epoch: int,
        epoch: Ticks,
        reward: Credits,
        review_budget: Credits = _NONE,
        funding_every: Ticks = HOUR,
        review_patience: Ticks = _TWO_DAYS,
        auditors: tuple[ActorId, ...] = (),
        traders: tuple[ActorId, ...] = (),
        bounty: Credits = _NONE,
        bounty_budget: Credits = _NONE,
        grants: Mapping[str, Credits] | None = None,
        scales: Mapping[str, float] | None = None,
    ) -> None:
        if min(grant, grants_per_epoch, epoch) < 1:
            raise UsageError(
                what="grants, their number and epochs must be at least 1,"
                f" came {grant} micro-credits, {grants_per_epoch} and {epoch} ticks"
            )
        if capital > budget:
            raise UsageError(
                what=f"a budget of {budget} micro-credits does not cover the integrator's working"
                f" capital of {capital}; raise the one or lower the other"
            )
        self._researchers = {part: tuple(researchers[part]) for part in sorted(researchers)}
        self._integrator, self._capital = integrator, capital
        self._treasury = treasury
        self._everyone = tuple(everyone)
        self._grant, self._grants = grant, dict(grants or {})
        self._scales = {part: scale for part, scale in (scales or {}).items() if scale > 0}
        self._grants_per_epoch = grants_per_epoch
        self._epoch = epoch
        self._reward = reward
        parts = [part for part, actors in self._researchers.items() if actors]
        self.state = DirectorState(
            needs=normalised({part: Fraction(1) for part in parts}),
            left=budget,
            left_for_reviews=review_budget,
            audits=Audits(left=bounty_budget),
        )
        self._auditors, self._traders, self._bounty = auditors, traders, bounty
        self._funding_every = funding_every
        self._review_patience = review_patience

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the rules."""
        match message:
            case work.Start():
                self._mint(self._integrator, self._capital, "working capital", ctx)
                self._open_epoch(ctx)
            case need.EpochDue():
                self._revise_needs()
                self._open_epoch(ctx)
            case need.ReviewSought():
                scale = self._scales.get(message.part, 1.0)
                self.state.pleas.append(_plea(ctx.sender, message, scale))
                self._set_funding(ctx)
            case need.FundingDue():
                self.state.is_funding_set = False
                self._fund(ctx)
            case ship.Swapped() | ship.RolledBack() | ship.Declined() | finding.Reviewed():
                self._hear(message)
            case ship.Announced():
                self.state.current = dict(message.parts)
            case market.Published():
                on_published(
                    ctx, self.state.audits, message, auditors=self._auditors, bounty=self._bounty
                )
            case market.Audited():
                on_audited(
                    ctx,
                    self.state.audits,
                    message,
                    treasury=self._treasury,
                    concerned=self._traders,
                    bounty=self._bounty,
                )
            case need.Announced() | finding.Trial() | money.Credited():
                pass
            case _:
                assert_never(message)

    def _hear(
        self, news: ship.Swapped | ship.RolledBack | ship.Declined | finding.Reviewed
    ) -> None:
        """Takes in what became of a finding."""
        state = self.state
        match news:
            case ship.Swapped():
                state.under_review.pop(news.part, None)
                state.current[news.part] = news.value
                state.swaps[news.contract] = news.author
                self._news(news.part).swaps += 1
            case ship.RolledBack():
                state.rolled_back[news.contract] = news.part
                self._news(news.part).setbacks += 1
            case ship.Declined():
                state.under_review.pop(news.part, None)
                self._news(news.part).setbacks += 1
            case finding.Reviewed():
                so_far = self._news(news.part)
                if news.decision == "reject":  # of what was accepted the integrator will tell
                    state.under_review.pop(news.part, None)
                    so_far.setbacks += 1

    def _fund(self, ctx: Context) -> None:
        """Pays for one review of each part on which none is under way."""
        state = self.state
        oldest = ctx.now - self._review_patience
        under_review = state.under_review.items()
        state.under_review = {part: since for part, since in under_review if since > oldest}
        waiting: list[Plea] = []
        for plea in sorted(state.pleas, key=lambda one: one.turn):
            if plea.replaces != state.current.get(plea.part, plea.replaces):
                continue  # a gain over the old value says nothing about the new one
            if plea.part in state.under_review:
                waiting.append(plea)
            elif plea.amount <= state.left_for_reviews:
                state.under_review[plea.part] = ctx.now
                state.left_for_reviews = Credits(state.left_for_reviews - plea.amount)
                reason = f"review of {plea.part}, {plea.gain_bpb:+.4f} bpb"
                grant = money.Grant(to=plea.author, amount=plea.amount, reason=reason)
                ctx.tell(self._treasury, grant)
                ctx.note(f"paid {plea.author} for a {reason}; {state.left_for_reviews} left")
            else:
                ctx.note(f"no money for a review of {plea.part} by {plea.author}")
        state.pleas = waiting
        self._set_funding(ctx)

    def _set_funding(self, ctx: Context) -> None:
        if self.state.pleas and not self.state.is_funding_set:
            self.state.is_funding_set = True
            wait = self._funding_every - ctx.now % self._funding_every
            ctx.after(Ticks(wait), need.FundingDue())

    def _news(self, part: str) -> News:
        return self.state.news.setdefault(part, News())

    def _revise_needs(self) -> None:
        state = self.state
        revised: dict[str, Fraction] = {}
        for part, weight in state.needs.items():
            news = state.news.get(part, News())
            revised[part] = weight * AFTER_SWAP**news.swaps * AFTER_SETBACK**news.setbacks
            if part not in state.news and part not in state.funded:
                revised[part] *= WITHOUT_WORK
        state.needs, state.news = normalised(revised), {}

    def _open_epoch(self, ctx: Context) -> None:
        state = self.state
        state.epoch += 1
        weights = tuple(sorted(state.needs.items()))
        announced = need.Announced(epoch=state.epoch, weights=weights, reward=self._reward)
        ctx.tell_all(self._everyone, announced)
        chosen = self._choose(ctx.rng("grants"))
        for actor, part in chosen.items():
            self._mint(
                actor, self._grants.get(part, self._grant), f"epoch {state.epoch}, {part}", ctx
            )
        state.funded = sorted(set(chosen.values()))
        who = ", ".join(f"{actor} for {part}" for actor, part in chosen.items()) or "nobody"
        is_last = not chosen or state.left < self._grant
        last = ", the last" if is_last else ""
        ctx.note(f"epoch {state.epoch}{last}: income for {who}; {state.left} micro-credits left")
        if not is_last:
            ctx.after(self._epoch, need.EpochDue())

    def _choose(self, stream: Stream) -> dict[ActorId, str]:
        """Draws who gets income, and for which part, in the order drawn."""
        chances = {
            part: {actor: 1 + _RECORD * self._standing_swaps(actor) for actor in actors}
            for part, actors in self._researchers.items()
        }
        chosen: dict[ActorId, str] = {}
        for _ in range(min(self._grants_per_epoch, self.state.left // self._grant)):
            open_to = {part: self.state.needs[part] for part, free in chances.items() if free}
            if not open_to:
                break
            part = draw(stream, open_to)
            actor = draw(stream, chances[part])
            chosen[actor] = part
            for free in chances.values():
                free.pop(actor, None)
        return chosen

    def _standing_swaps(self, actor: ActorId) -> int:
        swaps, undone = self.state.swaps, self.state.rolled_back
        return sum(author == actor and at not in undone for at, author in swaps.items())

    def _mint(self, to: ActorId, amount: Credits, reason: str, ctx: Context) -> None:
        if amount > 0:
            self.state.left = Credits(self.state.left - amount)
            ctx.tell(self._treasury, money.Grant(to=to, amount=amount, reason=reason))


def _plea(author: ActorId, sought: need.ReviewSought, scale: float) -> Plea:
    return Plea(sought.part, author, sought.gain_bpb, sought.amount, sought.replaces, scale)


def normalised(needs: Mapping[str, Fraction]) -> dict[str, int]:
    """Scales needs to whole numbers that sum to ``WHOLE``, by part; no needs give no needs."""
    parts = sorted(needs)
    raised = [max(Fraction(LEAST), needs[part]) for part in parts]
    return dict(zip(parts, apportion(WHOLE, raised), strict=True))

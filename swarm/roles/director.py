"""Director: grants income against needs, and lets the lab come to rest when the budget is spent.

Protocol  ``comms/messages/need.py`` and ``treasury.Grant``; hears what became of findings
          (``comms/messages/ship.py``, ``finding.Reviewed``).
States    opening -> granting, once per epoch -> resting, when what is left is less than a grant or
          there is nobody to grant it to. Nothing wakes it then.
Asks      nobody.
Funds     reviews that researchers cannot pay (``need.ReviewSought``), from a budget of their own:
          at fixed times, for each part on which none is under way the one with the largest gain.
Raises    ``UsageError`` at construction for a budget that cannot be granted.

A part's need is a weight, kept in thousandths of the whole. At each epoch it is halved for every
swap of the part since the last one (the deficit shrank), multiplied by 4/5 for every finding on it
that was rejected, declined or rolled back, and by 5/4 if nobody worked on it: nothing was heard
about it and nobody was granted income for it. Grants are drawn, one after another: first a part, by
need, then an actor of that part who had none in this epoch; its chance is one, plus two for each of
its swaps that still stand.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias, TypeVar, assert_never

import msgspec

from swarm.comms.messages import finding, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import UsageError
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.rng import Stream
from swarm.kernel.role import Context
from swarm.units import DAY, HOUR, Credits, Ticks

Inbox: TypeAlias = (
    work.Start | need.EpochDue | need.Announced | need.ReviewSought | need.FundingDue
    | ship.Announced | ship.Swapped | ship.Declined | ship.RolledBack
    | finding.Trial | finding.Reviewed | money.Credited
)  # fmt: skip

KeyT = TypeVar("KeyT", bound=str)

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
    others: int = 0


class Plea(msgspec.Struct, frozen=True):
    """A review that somebody asks to be paid for."""

    part: str
    author: ActorId
    gain_bpb: float
    amount: Credits

    @property
    def turn(self) -> tuple[float, ActorId, Credits]:
        """Sorts pleas: the largest gain first."""
        return -self.gain_bpb, self.author, self.amount


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
        grants_per_epoch: How many get one.
        epoch: Ticks between incomes.
        reward: What a swap earns; announced.
        reviewers: Get working capital at the start: they pay for leases before they are paid.
        reviewer_capital: What each of them gets.
        review_budget: All that is granted for reviews, beside ``budget``.
        funding_every: Ticks between choices of reviews.
        review_patience: Ticks after which a review of which nothing was heard is given up.

    Raises:
        UsageError: If the grant, their number or the epoch is below 1, which would never end, or
            the budget does not cover the working capital.
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
        reviewers: Sequence[ActorId] = (),
        reviewer_capital: Credits = _NONE,
        review_budget: Credits = _NONE,
        funding_every: Ticks = HOUR,
        review_patience: Ticks = _TWO_DAYS,
    ) -> None:
        if min(grant, grants_per_epoch, epoch) < 1:
            raise UsageError(
                what=f"a director needs grants, their number and epochs of at least 1,"
                f" came {grant} micro-credits, {grants_per_epoch} and {epoch} ticks"
            )
        if capital + len(reviewers) * reviewer_capital > budget:
            raise UsageError(
                what=f"a budget of {budget} micro-credits does not cover the working capital:"
                f" {capital} for the integrator and {reviewer_capital} for each of"
                f" {len(reviewers)} reviewers; raise it"
            )
        self._researchers = {part: tuple(researchers[part]) for part in sorted(researchers)}
        self._capital = [(integrator, capital), *((one, reviewer_capital) for one in reviewers)]
        self._treasury = treasury
        self._everyone = tuple(everyone)
        self._grant = grant
        self._grants_per_epoch = grants_per_epoch
        self._epoch = epoch
        self._reward = reward
        parts = [part for part, actors in self._researchers.items() if actors]
        self.state = DirectorState(
            needs=normalised(dict.fromkeys(parts, Fraction(WHOLE))),
            left=budget,
            left_for_reviews=review_budget,
        )
        self._funding_every = funding_every
        self._review_patience = review_patience

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the rules."""
        match message:
            case work.Start():
                for actor, amount in self._capital:
                    self._mint(actor, amount, "working capital", ctx)
                self._open_epoch(ctx)
            case need.EpochDue():
                self._revise_needs()
                self._open_epoch(ctx)
            case need.ReviewSought():
                plea = Plea(message.part, ctx.sender, message.gain_bpb, message.amount)
                self.state.pleas.append(plea)
                self._set_funding(ctx)
            case need.FundingDue():
                self.state.is_funding_set = False
                self._fund(ctx)
            case ship.Swapped():
                self._is_decided(message.part)
                # What others found on the old value of the part says nothing about the new one.
                pleas = self.state.pleas
                self.state.pleas = [plea for plea in pleas if plea.part != message.part]
                self.state.swaps[message.contract] = message.author
                self._news(message.part).swaps += 1
            case ship.RolledBack():
                self.state.rolled_back[message.contract] = message.part
                self._news(message.part).setbacks += 1
            case ship.Declined():
                self._is_decided(message.part)
                self._news(message.part).setbacks += 1
            case finding.Reviewed():
                news = self._news(message.part)
                if message.decision == "reject":
                    self._is_decided(message.part)
                    news.setbacks += 1
                else:  # the integrator will say what became of it
                    news.others += 1
            case need.Announced() | ship.Announced() | finding.Trial() | money.Credited():
                pass
            case _:
                assert_never(message)

    def _fund(self, ctx: Context) -> None:
        """Pays for one review of each part on which none is under way."""
        state = self.state
        state.under_review = {
            part: since
            for part, since in state.under_review.items()
            if ctx.now - since < self._review_patience
        }
        waiting: list[Plea] = []
        for plea in sorted(state.pleas, key=lambda one: one.turn):
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

    def _is_decided(self, part: str) -> None:
        self.state.under_review.pop(part, None)

    def _news(self, part: str) -> News:
        return self.state.news.setdefault(part, News())

    def _revise_needs(self) -> None:
        state = self.state
        revised: dict[str, Fraction] = {}
        for part, weight in state.needs.items():
            news = state.news.get(part)
            factor = Fraction(1)
            if news is not None:
                factor = AFTER_SWAP**news.swaps * AFTER_SETBACK**news.setbacks
            elif part not in state.funded:
                factor = WITHOUT_WORK
            revised[part] = weight * factor
        state.needs, state.news = normalised(revised), {}

    def _open_epoch(self, ctx: Context) -> None:
        state = self.state
        state.epoch += 1
        weights = tuple(sorted(state.needs.items()))
        announced = need.Announced(epoch=state.epoch, weights=weights, reward=self._reward)
        ctx.tell_all(self._everyone, announced)
        chosen = self._choose(ctx.rng("grants"))
        for actor, part in chosen.items():
            self._mint(actor, self._grant, f"epoch {state.epoch}, {part}", ctx)
        state.funded = sorted(set(chosen.values()))
        who = ", ".join(f"{actor} for {part}" for actor, part in chosen.items()) or "nobody"
        ctx.note(f"epoch {state.epoch}: income for {who}; {state.left} micro-credits left")
        if chosen and state.left >= self._grant:
            ctx.after(self._epoch, need.EpochDue())
        else:
            ctx.note(f"epoch {state.epoch}: no more income, {state.left} micro-credits left")

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
        state = self.state
        return sum(
            author == actor and contract not in state.rolled_back
            for contract, author in state.swaps.items()
        )

    def _mint(self, to: ActorId, amount: Credits, reason: str, ctx: Context) -> None:
        if amount > 0:
            self.state.left = Credits(self.state.left - amount)
            ctx.tell(self._treasury, money.Grant(to=to, amount=amount, reason=reason))


def normalised(needs: Mapping[str, Fraction]) -> dict[str, int]:
    """Scales needs to whole numbers that sum to ``WHOLE``, by largest remainder, by part.

    Ties go to the part that comes first in the alphabet. No needs give no needs.
    """
    raised = {part: max(Fraction(LEAST), needs[part]) for part in sorted(needs)}
    total = sum(raised.values())
    exact = {part: WHOLE * weight / total for part, weight in raised.items()}
    scaled = {part: int(share) for part, share in exact.items()}
    by_remainder = sorted(exact, key=lambda part: (scaled[part] - exact[part], part))
    for part in by_remainder[: WHOLE - sum(scaled.values())]:
        scaled[part] += 1
    return scaled


def draw(stream: Stream, weights: Mapping[KeyT, int]) -> KeyT:
    """Draws a key with probability proportional to its weight; keys are taken in order.

    Args:
        stream: Gives one number.
        weights: At least one; whole, above 0.
    """
    *others, last = sorted(weights)
    at = stream.integer(sum(weights.values()))
    for key in others:
        at -= weights[key]
        if at < 0:
            return key
    return last

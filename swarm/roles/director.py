"""Director: grants income against needs, and lets the lab come to rest when the budget is spent.

Protocol  ``comms/messages/need.py`` and ``treasury.Grant``; hears what became of findings
          (``comms/messages/ship.py``).
States    opening -> granting, once per epoch -> resting.
Asks      nobody.
Raises    nothing.

A part's need is a weight: halved when the part was just swapped (the deficit shrank), times 4/5
when a finding about it was declined, times 5/4 for each epoch without either. Within a part an
actor's chance is one, plus two for each of its findings that led to a swap.
"""

from collections.abc import Mapping
from typing import TypeAlias, TypeVar, assert_never

import msgspec

from swarm.comms.messages import need, ship, work
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId
from swarm.kernel.rng import Stream
from swarm.kernel.role import Context
from swarm.units import Credits, Ticks

Inbox: TypeAlias = (
    work.Start | need.EpochDue | need.Announced
    | ship.Announced | ship.Swapped | ship.Declined | ship.RolledBack
    | money.Credited
)  # fmt: skip

KeyT = TypeVar("KeyT", bound=str)

WHOLE = 1_000
"""Needs sum to this."""

_LEAST = 20
"""No part is ever given up: the least need before it is made to sum up."""

_RECORD = 2
"""What a swap adds to an actor's chance."""


class DirectorState(msgspec.Struct):
    """Needs by part, records by actor, and what is left."""

    needs: dict[str, int]
    left: Credits
    epoch: int = 0
    swaps_by_author: dict[ActorId, int] = {}
    quiet: dict[str, bool] = {}
    """Parts about which nothing was decided since the last epoch."""


class Director:
    """Spends a budget.

    Args:
        researchers: Actors by the part they work on.
        integrator: Gets working capital at the start.
        treasury: Who mints.
        everyone: Who hears the needs.
        budget: All that is ever granted.
        capital: The integrator's share, granted at the start.
        grant: What a researcher gets at a time.
        grants_per_epoch: How many get one.
        epoch: Ticks between incomes.
        reward: What a swap earns; announced.
    """

    def __init__(
        self,
        *,
        researchers: Mapping[str, tuple[ActorId, ...]],
        integrator: ActorId,
        treasury: ActorId,
        everyone: tuple[ActorId, ...],
        budget: Credits,
        capital: Credits,
        grant: Credits,
        grants_per_epoch: int,
        epoch: Ticks,
        reward: Credits,
    ) -> None:
        self._researchers = {part: researchers[part] for part in sorted(researchers)}
        self._integrator = integrator
        self._treasury = treasury
        self._everyone = everyone
        self._capital = capital
        self._grant = grant
        self._grants_per_epoch = grants_per_epoch
        self._epoch = epoch
        self._reward = reward
        parts = [part for part, actors in self._researchers.items() if actors]
        self.state = DirectorState(
            needs=normalised(dict.fromkeys(parts, WHOLE)),
            left=budget,
            quiet=dict.fromkeys(parts, True),
        )

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case work.Start():
                self._mint(self._integrator, self._capital, "working capital", ctx)
                self._open_epoch(ctx)
            case need.EpochDue():
                self._open_epoch(ctx)
            case ship.Swapped():
                record = self.state.swaps_by_author
                record[message.author] = record.get(message.author, 0) + 1
                self._scale(message.part, 1, 2)
            case ship.Declined():
                self._scale(message.part, 4, 5)
            case ship.RolledBack():
                self._scale(message.part, 5, 4)
            case need.Announced() | ship.Announced() | money.Credited():
                pass
            case _:
                assert_never(message)

    def _open_epoch(self, ctx: Context) -> None:
        state = self.state
        if state.epoch:
            for part in sorted(state.quiet):
                if state.quiet[part]:
                    state.needs[part] = state.needs[part] * 5 // 4
        state.needs = normalised(state.needs)
        state.quiet = dict.fromkeys(state.needs, True)
        state.epoch += 1
        weights = tuple(sorted(state.needs.items()))
        announced = need.Announced(epoch=state.epoch, weights=weights, reward=self._reward)
        ctx.tell_all(self._everyone, announced)
        self._grant_income(ctx)
        if state.left >= self._grant and state.needs:
            ctx.after(self._epoch, need.EpochDue())
        else:
            ctx.note(f"epoch {state.epoch}: the budget is spent, {state.left} micro-credits left")

    def _grant_income(self, ctx: Context) -> None:
        stream = ctx.rng("grants")
        chosen: set[ActorId] = set()
        for _ in range(self._grants_per_epoch):
            if self.state.left < self._grant or not self.state.needs:
                return
            part = draw(stream, self.state.needs)
            record = self.state.swaps_by_author
            free = {
                actor: 1 + _RECORD * record.get(actor, 0)
                for actor in self._researchers[part]
                if actor not in chosen
            }
            if not free:
                continue
            actor = draw(stream, free)
            chosen.add(actor)
            self._mint(actor, self._grant, f"epoch {self.state.epoch}, {part}", ctx)

    def _mint(self, to: ActorId, amount: Credits, reason: str, ctx: Context) -> None:
        amount = min(amount, self.state.left)
        if amount > 0:
            self.state.left = Credits(self.state.left - amount)
            ctx.tell(self._treasury, money.Grant(to=to, amount=amount, reason=reason))

    def _scale(self, part: str, times: int, over: int) -> None:
        if part in self.state.needs:
            self.state.needs[part] = self.state.needs[part] * times // over
            self.state.quiet[part] = False


def normalised(needs: Mapping[str, int]) -> dict[str, int]:
    """Scales needs to whole numbers that sum to ``WHOLE``, by largest remainder, by part."""
    raised = {part: max(_LEAST, needs[part]) for part in sorted(needs)}
    total = sum(raised.values())
    scaled = {part: WHOLE * weight // total for part, weight in raised.items()}
    rest = WHOLE - sum(scaled.values()) if scaled else 0
    by_remainder = sorted(raised, key=lambda part: (-(WHOLE * raised[part] % total), part))
    for part in by_remainder[:rest]:
        scaled[part] += 1
    return scaled


def draw(stream: Stream, weights: Mapping[KeyT, int]) -> KeyT:
    """Draws a key with probability proportional to its weight; keys are taken in order."""
    keys = sorted(weights)
    at = stream.integer(sum(weights.values()))
    for key in keys:
        at -= weights[key]
        if at < 0:
            return key
    return keys[-1]

"""Treasury: holds all accounts and escrows; the only one who moves money.

Protocol  ``comms/messages/treasury.py``.
States    none; an escrow is open from ``Escrow`` to ``Release``.
Asks      nobody.
Raises    ``ProtocolError`` for a grant by another than the director or a charge by another than a
          broker; ``InvariantError`` if credits are not conserved. Releases that come twice or late
          are noted, not errors.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import need, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import InvariantError, ProtocolError
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import Credits

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced
    | money.Grant | money.Escrow | money.Release | money.Charge | money.Royalty
)  # fmt: skip


class Held(msgspec.Struct, frozen=True):
    """Credits in escrow."""

    payer: ActorId
    payee: ActorId
    amount: Credits


class TreasuryState(msgspec.Struct):
    """Accounts and escrows, in micro-credits."""

    minted: Credits = Credits(0)
    balances: dict[ActorId, Credits] = {}
    escrows: dict[ContractId, Held] = {}


class Treasury:
    """Moves credits, and checks after every message that none came or went.

    Args:
        director: The only one who may mint.
        brokers: Those who may charge for leases.
        budget: The most that may be minted.
    """

    def __init__(self, *, director: ActorId, brokers: tuple[ActorId, ...], budget: Credits) -> None:
        self._director = director
        self._brokers = brokers
        self._budget = budget
        self.state = TreasuryState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case work.Start() | need.Announced() | ship.Announced():
                return
            case money.Grant():
                self._grant(message, ctx)
            case money.Escrow():
                self._escrow(message, ctx)
            case money.Release():
                self._release(message, ctx)
            case money.Charge():
                self._charge(message, ctx)
            case money.Royalty():
                self._royalty(message, ctx)
            case _:
                assert_never(message)
        self._audit()

    def _grant(self, grant: money.Grant, ctx: Context) -> None:
        minted = self.state.minted + grant.amount
        if ctx.sender != self._director or grant.amount < 0 or minted > self._budget:
            state = f"{self.state.minted} of {self._budget} minted"
            raise ProtocolError(role="Treasury", state=state, message=grant)
        self.state.minted = Credits(minted)
        self._credit(grant.to, grant.amount, grant.reason, ctx)

    def _escrow(self, order: money.Escrow, ctx: Context) -> None:
        payer, contract = ctx.sender, order.contract
        if contract in self.state.escrows or not self._take(payer, order.amount):
            self._deny(contract, order.amount, payer, ctx)
            return
        self.state.escrows[contract] = Held(payer, order.payee, order.amount)
        secured = money.Secured(contract=contract, amount=order.amount)
        ctx.tell_all((payer, order.payee), secured)

    def _release(self, release: money.Release, ctx: Context) -> None:
        held = self.state.escrows.get(release.contract)
        if held is None or held.payer != ctx.sender:
            ctx.note(f"{release.contract}: nothing of {ctx.sender} in escrow")
            return
        del self.state.escrows[release.contract]
        if release.is_accepted:
            self._credit(held.payee, held.amount, f"{release.contract} paid", ctx)
        else:
            self._credit(held.payer, held.amount, f"{release.contract} refunded", ctx)

    def _charge(self, charge: money.Charge, ctx: Context) -> None:
        if ctx.sender not in self._brokers:
            raise ProtocolError(role="Treasury", state="open", message=charge)
        if not self._take(charge.payer, charge.amount):
            self._deny(charge.contract, charge.amount, charge.payer, ctx)
            return
        broker = ctx.sender
        self.state.balances[broker] = Credits(self._balance(broker) + charge.amount)
        ctx.tell(broker, money.Charged(contract=charge.contract, amount=charge.amount))

    def _royalty(self, royalty: money.Royalty, ctx: Context) -> None:
        if not self._take(ctx.sender, royalty.amount):
            self._deny(royalty.contract, royalty.amount, ctx.sender, ctx)
            return
        reason = f"{royalty.contract} royalty"
        for actor, amount in split(royalty.amount, royalty.shares):
            self._credit(actor, amount, reason, ctx)

    def _deny(self, contract: ContractId, amount: Credits, payer: ActorId, ctx: Context) -> None:
        denied = money.Denied(contract=contract, amount=amount, balance=self._balance(payer))
        ctx.tell(ctx.sender, denied)

    def _take(self, payer: ActorId, amount: Credits) -> bool:
        balance = self._balance(payer)
        if amount < 0 or amount > balance:
            return False
        self.state.balances[payer] = Credits(balance - amount)
        return True

    def _credit(self, to: ActorId, amount: Credits, reason: str, ctx: Context) -> None:
        balance = self.state.balances[to] = Credits(self._balance(to) + amount)
        ctx.tell(to, money.Credited(amount=amount, balance=balance, reason=reason))

    def _balance(self, actor: ActorId) -> Credits:
        return self.state.balances.get(actor, Credits(0))

    def _audit(self) -> None:
        state = self.state
        held = sum(state.balances.values()) + sum(one.amount for one in state.escrows.values())
        if held != state.minted or min(state.balances.values(), default=0) < 0:
            raise InvariantError(
                rule="credits are conserved",
                expected=f"{state.minted} minted in accounts and escrows",
                came=f"{held}",
            )


def split(
    amount: Credits, shares: tuple[tuple[ActorId, int], ...]
) -> list[tuple[ActorId, Credits]]:
    """Splits an amount by weight: everybody the rounded-down share, the rest by largest remainder.

    Ties go to the lower id; the parts sum to the amount.

    Source: the largest remainder method (Hamilton).
    """
    total = sum(weight for _, weight in shares)
    parts = {actor: amount * weight // total for actor, weight in shares}
    rest = amount - sum(parts.values())
    by_remainder = sorted(shares, key=lambda one: (-(amount * one[1] % total), one[0]))
    for actor, _ in by_remainder[:rest]:
        parts[actor] += 1
    return [(actor, Credits(parts[actor])) for actor, _ in shares]

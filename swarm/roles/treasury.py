"""Treasury: holds all accounts and escrows; the only one who moves money.

Protocol  ``comms/messages/treasury.py``.
States    an escrow is open from ``Escrow`` to ``Release``; an order waits from its arrival to
          ``BooksDue`` one tick later. Then all that came is carried out: what brings credits first,
          then what takes them, leases before escrows before royalties, each by contract. So who
          is denied does not depend on the order of arrival.
Asks      nobody.
Raises    ``ProtocolError`` for what no correct actor sends: a grant by another than the director or
          over the budget, a charge or refund by another than a broker, a second escrow of an open
          contract, an amount or weight below what it may be; ``InvariantError`` if credits are not
          conserved. Releases that come twice or late are noted, not errors.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import finding, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.comms.shares import apportion
from swarm.errors import InvariantError, ProtocolError
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import Credits, Ticks

OrderMessage: TypeAlias = (
    money.Grant | money.Escrow | money.Release | money.Charge | money.Refund | money.Royalty
)
Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | OrderMessage | money.BooksDue
)  # fmt: skip


class Held(msgspec.Struct, frozen=True):
    """Credits in escrow."""

    payer: ActorId
    payee: ActorId
    amount: Credits


class Order(msgspec.Struct, frozen=True):
    """What somebody wants done."""

    sender: ActorId
    message: OrderMessage


class TreasuryState(msgspec.Struct):
    """Accounts and escrows, in micro-credits, and the orders that wait."""

    minted: Credits = Credits(0)
    balances: dict[ActorId, Credits] = {}
    escrows: dict[ContractId, Held] = {}
    tray: list[Order] = []


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
        """React to one message; the module docstring has the order of things."""
        match message:
            case (
                work.Start() | need.Announced() | ship.Announced()
                | finding.Trial() | finding.Reviewed()
            ):  # fmt: skip
                return
            case money.BooksDue():
                orders, self.state.tray = sorted(self.state.tray, key=self._turn), []
                for order in orders:
                    self._carry_out(order.message, order.sender, ctx)
            case (
                money.Grant() | money.Escrow() | money.Release()
                | money.Charge() | money.Refund() | money.Royalty()
            ):  # fmt: skip
                self._check(message, ctx.sender)
                if not self.state.tray:
                    ctx.after(Ticks(1), money.BooksDue())
                self.state.tray.append(Order(ctx.sender, message))
            case _:
                assert_never(message)
        self._audit()

    def _check(self, message: OrderMessage, sender: ActorId) -> None:
        match message:
            case money.Grant():
                may = sender == self._director and message.amount >= 0
            case money.Charge() | money.Refund():
                may = sender in self._brokers and message.amount >= 0
            case money.Escrow():
                may = 0 <= message.advance <= message.amount
            case money.Royalty():
                weights = [weight for _, weight in message.shares]
                may = message.amount >= 0 and min(weights, default=0) > 0
            case money.Release():
                may = True
            case _:
                assert_never(message)
        if not may:
            raise ProtocolError(role="Treasury", state=f"told by {sender}", message=message)

    def _turn(self, order: Order) -> tuple[int, bytes, ActorId]:
        """Sorts orders by what they are, then by what stands in them, then by sender."""
        match order.message:
            case money.Grant() | money.Refund():
                turn = 0
            case money.Release():
                # Of an escrow that is still to be opened: somebody withdrew at once.
                turn = 1 if order.message.contract in self.state.escrows else 3
            case money.Charge() | money.Escrow() | money.Royalty():
                turn = 2
            case _:
                assert_never(order.message)
        return turn, msgspec.json.encode(order.message), order.sender

    def _carry_out(self, message: OrderMessage, sender: ActorId, ctx: Context) -> None:
        match message:
            case money.Grant():
                self._grant(message, ctx)
            case money.Refund():
                self._refund(message, sender, ctx)
            case money.Release():
                self._release(message, sender, ctx)
            case money.Charge():
                self._charge(message, sender, ctx)
            case money.Escrow():
                self._escrow(message, sender, ctx)
            case money.Royalty():
                self._royalty(message, sender, ctx)
            case _:
                assert_never(message)

    def _grant(self, grant: money.Grant, ctx: Context) -> None:
        minted = self.state.minted + grant.amount
        if minted > self._budget:
            state = f"{self.state.minted} of {self._budget} minted"
            raise ProtocolError(role="Treasury", state=state, message=grant)
        self.state.minted = Credits(minted)
        self._credit(grant.to, grant.amount, grant.reason, ctx)

    def _refund(self, refund: money.Refund, broker: ActorId, ctx: Context) -> None:
        if not self._take(broker, refund.amount):
            state = f"{broker} has {self._balance(broker)}"
            raise ProtocolError(role="Treasury", state=state, message=refund)
        self._credit(refund.to, refund.amount, f"{refund.contract} withdrawn", ctx)

    def _release(self, release: money.Release, sender: ActorId, ctx: Context) -> None:
        held = self.state.escrows.get(release.contract)
        if held is None or held.payer != sender:
            ctx.note(f"{release.contract}: release ignored, nothing of {sender} is in escrow")
            return
        del self.state.escrows[release.contract]
        if release.is_accepted:
            self._credit(held.payee, held.amount, f"{release.contract} paid", ctx)
        else:
            self._credit(held.payer, held.amount, f"{release.contract} refunded", ctx)

    def _charge(self, charge: money.Charge, broker: ActorId, ctx: Context) -> None:
        if not self._take(charge.payer, charge.amount):
            self._deny(broker, charge.contract, charge.amount, charge.payer, ctx)
            return
        self.state.balances[broker] = Credits(self._balance(broker) + charge.amount)
        ctx.tell(broker, money.Charged(contract=charge.contract, amount=charge.amount))

    def _escrow(self, escrow: money.Escrow, payer: ActorId, ctx: Context) -> None:
        contract, payee = escrow.contract, escrow.payee
        if contract in self.state.escrows:
            state = f"{contract} in escrow"
            raise ProtocolError(role="Treasury", state=state, message=escrow)
        if not self._take(payer, escrow.amount):
            self._deny(payer, contract, escrow.amount, payer, ctx)
            return
        held = Credits(escrow.amount - escrow.advance)
        self.state.escrows[contract] = Held(payer, payee, held)
        ctx.tell_all((payer, payee), money.Secured(contract=contract, amount=escrow.amount))
        if escrow.advance:
            self._credit(payee, escrow.advance, f"{contract} advance", ctx)

    def _royalty(self, royalty: money.Royalty, sender: ActorId, ctx: Context) -> None:
        if not self._take(sender, royalty.amount):
            self._deny(sender, royalty.contract, royalty.amount, sender, ctx)
            return
        parts = apportion(royalty.amount, [weight for _, weight in royalty.shares])
        for (actor, _), part in zip(royalty.shares, parts, strict=True):
            self._credit(actor, Credits(part), f"{royalty.contract} royalty", ctx)

    def _deny(
        self, to: ActorId, contract: ContractId, amount: Credits, payer: ActorId, ctx: Context
    ) -> None:
        balance = self._balance(payer)
        ctx.tell(to, money.Denied(contract=contract, amount=amount, balance=balance))

    def _take(self, payer: ActorId, amount: Credits) -> bool:
        """Takes all of it or nothing."""
        balance = self._balance(payer)
        if amount > balance:
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
        amounts = [*state.balances.values(), *(held.amount for held in state.escrows.values())]
        if sum(amounts) != state.minted or min(amounts, default=0) < 0:
            raise InvariantError(
                rule="credits are conserved",
                expected=f"{state.minted} minted, in accounts and escrows of at least 0",
                came=f"{sum(amounts)}, the smallest {min(amounts, default=0)}",
            )

"""Money: integer micro-credits that only the Treasury moves.

    director --Grant--> treasury                         mints income, within the run's budget
    anybody  --Escrow--> treasury --Secured--> payer and payee  |  Denied--> payer
    payer    --Release--> treasury                       pays the payee, or refunds the payer
    broker   --Charge--> treasury --Charged | Denied--> broker   takes the price of a lease
    broker   --Refund--> treasury                        gives it back: the lease never began
    integrator --Royalty--> treasury                     splits a reward by largest remainder
    treasury --Credited--> whoever received, with the new balance
    treasury --BooksDue--> treasury                      the treasury's own timer

Credits are conserved: minted = balances + escrows, checked at every message.
"""

from swarm.kernel.message import ActorId, ContractId, Message
from swarm.units import Credits


class Grant(Message, frozen=True, kw_only=True, tag="treasury.grant"):
    """Mint income for an actor; only the director may."""

    to: ActorId
    amount: Credits
    reason: str


class Credited(Message, frozen=True, kw_only=True, tag="treasury.credited"):
    """You received credits."""

    amount: Credits
    balance: Credits
    reason: str


class Escrow(Message, frozen=True, kw_only=True, tag="treasury.escrow"):
    """Hold this much of mine for the payee until I release it."""

    contract: ContractId
    payee: ActorId
    amount: Credits
    advance: Credits = Credits(0)
    """Share of the amount that the payee gets at once and keeps, to work with."""


class Secured(Message, frozen=True, kw_only=True, tag="treasury.secured"):
    """The price of this contract is in escrow; the payee may begin."""

    contract: ContractId
    amount: Credits


class Denied(Message, frozen=True, kw_only=True, tag="treasury.denied"):
    """The payer has not enough."""

    contract: ContractId
    amount: Credits
    balance: Credits


class Release(Message, frozen=True, kw_only=True, tag="treasury.release"):
    """End an escrow: pay the payee if the work was accepted, else refund the payer."""

    contract: ContractId
    is_accepted: bool


class Charge(Message, frozen=True, kw_only=True, tag="treasury.charge"):
    """Take the price of a lease from its holder; only a broker may, for a request it holds."""

    contract: ContractId
    payer: ActorId
    amount: Credits


class Charged(Message, frozen=True, kw_only=True, tag="treasury.charged"):
    """The price of the lease has been paid."""

    contract: ContractId
    amount: Credits


class Refund(Message, frozen=True, kw_only=True, tag="treasury.refund"):
    """Give the price of a lease back: its holder had withdrawn when it was paid; from a broker."""

    contract: ContractId
    to: ActorId
    amount: Credits


class Royalty(Message, frozen=True, kw_only=True, tag="treasury.royalty"):
    """Split a reward of the sender among actors, by weight."""

    contract: ContractId
    amount: Credits
    shares: tuple[tuple[ActorId, int], ...]
    """(actor, weight) pairs; weights are positive."""


class BooksDue(Message, frozen=True, kw_only=True, tag="treasury.books_due"):
    """The treasury's own timer: carry out the orders that have come."""

"""Leases: how an actor gets GPUs from a pool.

holder --Request--> broker        a sealed bid for a gang, or a place in the queue
holder <--Granted | Refused-- broker
holder --Release--> broker        finished early
holder <--Ended-- broker          the time is over
holder <--Pending-- broker        why a request still waits, once per round that passed it by
broker --RoundDue | ExpiryDue | DeskDue--> broker       the broker's own timers

A holder that releases before it was granted the lease withdraws its request, and pays nothing.
"""

from swarm.kernel.message import ContractId, Message
from swarm.units import Credits, Ticks


class Request(Message, frozen=True, kw_only=True, tag="lease.request"):
    """I want a gang of GPUs for a time, and would pay up to ``bid`` for all of it."""

    contract: ContractId
    gpus: int
    duration: Ticks
    bid: Credits
    purpose: str


class Granted(Message, frozen=True, kw_only=True, tag="lease.granted"):
    """The gang is yours until ``ends_at``; the price has been paid."""

    contract: ContractId
    gpus: tuple[str, ...]
    """Device names, ``node/index``."""
    ends_at: Ticks
    price: Credits


class Refused(Message, frozen=True, kw_only=True, tag="lease.refused"):
    """You will not get it: larger than the pool, under the reserve price, or not paid for."""

    contract: ContractId
    reason: str


class Pending(Message, frozen=True, kw_only=True, tag="lease.pending"):
    """A round went by without you, and this is why."""

    contract: ContractId
    why: str


class Release(Message, frozen=True, kw_only=True, tag="lease.release"):
    """I am done with the gang; ``failures`` are the jobs that ended badly on it."""

    contract: ContractId
    failures: tuple[str, ...] = ()


class Ended(Message, frozen=True, kw_only=True, tag="lease.ended"):
    """The time is over and the gang has been taken back."""

    contract: ContractId


class RoundDue(Message, frozen=True, kw_only=True, tag="lease.round_due"):
    """The broker's own timer: allocate what waits."""


class ExpiryDue(Message, frozen=True, kw_only=True, tag="lease.expiry_due"):
    """The broker's own timer: a lease reaches its end."""

    contract: ContractId


class DeskDue(Message, frozen=True, kw_only=True, tag="lease.desk_due"):
    """The broker's own timer: deal with what has come."""

"""Leases: how an actor gets GPUs from a pool.

holder --Request--> broker        a sealed bid for a gang, or a place in the queue
holder <--Granted | Refused-- broker
holder --Release--> broker        finished early
holder <--Ended-- broker          the time is over
holder <--Pending-- broker        why a request still waits, once per round that passed it by
holder --Why--> broker            the same, on request
holder --Renew--> broker          the work takes longer
holder <--Renewed | NotRenewed-- broker
holder <--Notice-- broker         the gang will be taken back before its time
holder <--Preempted-- broker      it has been; what is left waits again, and is granted anew
holder <--Torn-- broker           a node of the gang was lost, and with it the lease
devops --NodeLost | NodeBack--> broker                  a node is away, or can be leased again
broker --RoundDue | ExpiryDue | DeskDue | StopDue--> broker     the broker's own timers

A holder that releases before it was granted the lease withdraws its request, and pays nothing.
"""

from swarm.kernel.message import ContractId, Message
from swarm.units import Credits, Ticks


class Request(Message, frozen=True, kw_only=True, omit_defaults=True, tag="lease.request"):
    """I want a gang of GPUs for a time, and would pay up to ``bid`` for all of it."""

    contract: ContractId
    gpus: int
    duration: Ticks
    bid: Credits
    purpose: str
    milli: int = 0
    """Thousandths of one GPU, 1 to 999, instead of whole ones: ``gpus`` is 0 then."""


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


class Why(Message, frozen=True, kw_only=True, tag="lease.why"):
    """Why does my request wait? ``Pending`` answers, also if it waits no longer."""

    contract: ContractId


class Renew(Message, frozen=True, kw_only=True, tag="lease.renew"):
    """I want to keep the gang for longer, and would pay up to ``bid`` for that."""

    contract: ContractId
    duration: Ticks
    bid: Credits


class Renewed(Message, frozen=True, kw_only=True, tag="lease.renewed"):
    """The gang is yours until ``ends_at``; ``price`` has been paid for the time that was added."""

    contract: ContractId
    ends_at: Ticks
    price: Credits


class NotRenewed(Message, frozen=True, kw_only=True, tag="lease.not_renewed"):
    """The lease ends when it would have ended."""

    contract: ContractId
    reason: str


class Notice(Message, frozen=True, kw_only=True, tag="lease.notice"):
    """The gang will be taken back at ``stops_at``: be done or have a checkpoint by then."""

    contract: ContractId
    stops_at: Ticks


class Preempted(Message, frozen=True, kw_only=True, tag="lease.preempted"):
    """The gang has been taken back. The request waits again, for what is left of its time."""

    contract: ContractId
    left: Ticks
    """What is left, with what stopping and resuming costs."""


class Torn(Message, frozen=True, kw_only=True, tag="lease.torn"):
    """A node of the gang was lost, so all of it has been taken back, and the lease is over."""

    contract: ContractId
    node: str
    left: Ticks
    """Time that was paid and not used; its price is refunded."""


class NodeLost(Message, frozen=True, kw_only=True, tag="lease.node_lost"):
    """This node can no longer be leased; gangs that have a part of it are torn down."""

    node: str


class NodeBack(Message, frozen=True, kw_only=True, tag="lease.node_back"):
    """This node can be leased again."""

    node: str


class StopDue(Message, frozen=True, kw_only=True, tag="lease.stop_due"):
    """The broker's own timer: the notice given to a lease is over."""

    contract: ContractId

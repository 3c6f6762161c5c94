"""What travels: the base of every message, and how a message is identified."""

from typing import NewType

import msgspec

ActorId = NewType("ActorId", str)
"""``<role>-<number>``, for example ``reviewer-3``: what people and roles use."""

MessageId = NewType("MessageId", int)
"""(sender's rank, sender's counter) in one integer: ``rank << 32 | counter``."""

ContractId = NewType("ContractId", str)
"""``<initiator>/<number>``: ties one conversation together in the log."""

NO_MESSAGE = MessageId(-1)
"""The cause of what nobody caused: the start of the run."""

COUNTER_BITS = 32


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that is told, asked, ordered, answered or noted.

    A subclass repeats ``frozen=True, kw_only=True``, has a tag ``<protocol>.<act>``, and holds
    only immutable values (numbers, strings, tuples, other frozen Structs), because inside one
    shard a message is passed by reference. A field ``contract: ContractId`` puts the message into
    the log's contract column.
    """


def message_id(sender_rank: int, counter: int) -> MessageId:
    """Packs a sender's rank and its counter."""
    return MessageId(sender_rank << COUNTER_BITS | counter)

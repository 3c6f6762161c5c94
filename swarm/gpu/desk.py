"""Desk: what came to a broker and has yet to be dealt with, in an order of its own.

Nothing depends on the order of arrival: papers are sorted by what they are, then by contract.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import lease
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId
from swarm.units import Ticks

Paper: TypeAlias = (
    lease.Request
    | lease.Release
    | money.Charged
    | money.Denied
    | lease.Renew
    | lease.NodeLost
    | lease.NodeBack
    | lease.Why
)


class OnDesk(msgspec.Struct, frozen=True):
    """Something that came and has yet to be dealt with."""

    at: Ticks
    sender: ActorId
    paper: Paper


def turn(one: OnDesk) -> tuple[int, str, bytes, ActorId]:
    """Sorts papers; a withdrawal comes before the price, and a question sees all that came."""
    match one.paper:
        case lease.Request():
            rank = 0
        case lease.Release():
            rank = 1
        case money.Charged() | money.Denied():
            rank = 2
        case lease.Renew():
            rank = 3
        case lease.NodeLost() | lease.NodeBack():
            return 4, one.paper.node, msgspec.json.encode(one.paper), one.sender
        case lease.Why():
            rank = 5
        case _:
            assert_never(one.paper)
    return rank, one.paper.contract, msgspec.json.encode(one.paper), one.sender

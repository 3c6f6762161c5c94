"""Gossip: a token that hops from neighbour to neighbour, once per tick."""

from swarm.kernel.message import Message


class Token(Message, frozen=True, kw_only=True, tag="gossip.token"):
    """Pass me on."""

    text: str
    """Two hundred bytes of words."""

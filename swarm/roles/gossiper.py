"""Gossiper: forwards tokens to random neighbours; the kernel's own work, timed and logged.

Protocol  ``comms/messages/gossip.py``: every actor starts one token, a token hops once per tick.
States    none.
Asks      nobody.
Raises    nothing.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import gossip, work
from swarm.kernel.role import Context

Inbox: TypeAlias = work.Start | gossip.Token

TEXT_BYTES = 200

# Weighted by rank like natural text: the i-th word is drawn about as often as 1 / i.
WORDS = (
    "the of and to in is that it was for on are as with they at be this from have or by one had"
    " not but what all were when we there can an your which their said if do will each about how"
    " up out them then she many some so these would other into has more her two like him see time"
    " could no make than first been its who now people my made over did down only way find use may"
    " water long little very after words called just where most know get through back much before"
    " go good new write our used me man too any day same right look think also around another came"
    " come work three word must because does part even place well such here take why things help"
    " put years different away again off went old number great tell men say small every found"
    " still between name should home big give air line set own under read last never us left end"
    " along while might next sound below saw something thought both few those always looked show"
    " large often together asked house world going want"
).split()


class GossiperState(msgspec.Struct):
    """A gossiper remembers nothing."""


class Gossiper:
    """Starts a token, and forwards what comes until the last round.

    Args:
        rounds: Ticks during which tokens hop.
    """

    __slots__ = ("_rounds", "state")

    def __init__(self, *, rounds: int) -> None:
        self._rounds = rounds
        self.state = GossiperState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """Forwards a token to a random neighbour."""
        match message:
            case gossip.Token():
                if ctx.now < self._rounds:
                    peers = ctx.neighbours
                    ctx.tell(peers[ctx.rng("walk").integer(len(peers))], message)
            case work.Start():
                if self._rounds > 0:
                    peers = ctx.neighbours
                    token = gossip.Token(text=_text(ctx))
                    ctx.tell(peers[ctx.rng("walk").integer(len(peers))], token)
            case _:
                assert_never(message)


def _text(ctx: Context) -> str:
    """Returns words of ``TEXT_BYTES`` bytes in all."""
    stream = ctx.rng("text")
    words: list[str] = []
    size = 0
    while size < TEXT_BYTES:
        word = WORDS[int(len(WORDS) ** stream.random()) - 1]
        words.append(word)
        size += len(word) + 1
    return " ".join(words)[:TEXT_BYTES]

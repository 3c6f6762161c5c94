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

# What a lab talks about. Weighted by rank like natural text: the i-th word comes about as often as
# 1 / i.
WORDS = (  # noqa: SIM905  a list of a hundred literals would not be read
    "the checkpoint training gradient evaluation of learning model environment and benchmark"
    " optimizer kernel attention baseline with verified experiment reward throughput sequence"
    " replication architecture from inference proposal accepted scheduler measured candidate"
    " parameters regression tokenizer confidence interval dataset mixture decoder precision"
    " against allocation research improvement rollback compute pipeline without variance warmup"
    " embedding residual contract evidence finding reviewer notebook deadline cluster capacity"
    " utilisation preemption because latency bandwidth converged diverged activation schedule"
    " threshold posterior sampling curriculum synthetic filtering objective pretraining policy"
    " advantage trajectory harness coordination negotiation budget priority incident hardware"
    " recovery manifest lineage component generation superseded calibration significance estimate"
    " correlation hypothesis ablation sensitivity robustness determinism reproducible"
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
    while size <= TEXT_BYTES:
        word = WORDS[int(len(WORDS) ** stream.random()) - 1]
        words.append(word)
        size += len(word) + 1
    return " ".join(words)[:TEXT_BYTES]

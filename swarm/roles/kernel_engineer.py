"""KernelEngineer: tries decoders, and claims what decodes the same bytes faster.

Protocol  initiator of ``evaluate`` and ``replicate`` contracts
          (``comms/messages/contract_net.py``); tells its trials (``comms/messages/finding.py``).
States    idle -> asking -> trying -> claiming -> idle (``pipeline/research/react.py``). Nothing is
          trained: an evaluator has the referee hold the decoder against the ship's.
Asks      its mind ``mind.ProposePart``.
Raises    nothing in itself: what goes wrong is noted, and leads back to idle.
"""

from functools import partial
from typing import TypeAlias

from swarm.gpu.cost import CostModel
from swarm.kernel.role import Context
from swarm.memory.recall import remind
from swarm.pipeline.campaign import Means
from swarm.pipeline.research.react import ResearchMessage, react
from swarm.pipeline.research.state import Policy, Research, Setup

Inbox: TypeAlias = ResearchMessage


class KernelEngineer:
    """Tries settings of the part ``decoder`` on the ship as it is.

    Args:
        policy: How it works, and what it may spend.
        means: With whom it works.
        cost: How long work takes.
    """

    def __init__(self, *, policy: Policy, means: Means, cost: CostModel) -> None:
        self._setup = Setup(
            part="decoder",
            policy=policy,
            means=means,
            ticks=partial(cost.ticks, gpus=1),
            remind=remind,
        )
        self.state = Research()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the states."""
        react(ctx, self.state, message, self._setup)

"""PosttrainingResearcher: tries demonstrations, rewards and practice on the ship's trunk.

Protocol  holder of a lease (``comms/messages/lease.py``); initiator of ``evaluate`` and
          ``replicate`` contracts (``comms/messages/contract_net.py``); tells its trials
          (``comms/messages/finding.py``).
States    idle -> asking -> trying -> claiming -> idle (``pipeline/research/react.py``).
Asks      its mind ``mind.ProposePart``; jobs ``posttraining.post_train``.
Raises    nothing in itself: what goes wrong is noted, and leads back to idle.
"""

from functools import partial
from typing import Literal, TypeAlias

from swarm.gpu.cost import CostModel
from swarm.kernel.role import Context
from swarm.memory.recall import remind
from swarm.pipeline.campaign import Means
from swarm.pipeline.research.react import ResearchMessage, react
from swarm.pipeline.research.state import Policy, Research, Setup

Inbox: TypeAlias = ResearchMessage
Part: TypeAlias = Literal["sft", "environments", "reward", "rl"]


class PosttrainingResearcher:
    """Tries values of one part on the trunk of the ship's checkpoint, and claims what gains.

    Args:
        part: What it works on.
        policy: How it works, and what it may spend.
        means: With whom it works; ``bid_per_gpu_tick`` is the least that it bids.
        cost: How long work takes.
    """

    def __init__(self, *, part: Part, policy: Policy, means: Means, cost: CostModel) -> None:
        self._setup = Setup(
            part=part,
            policy=policy,
            means=means,
            ticks=partial(cost.ticks, gpus=1),
            remind=remind,
        )
        self.state = Research()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the states."""
        react(ctx, self.state, message, self._setup)

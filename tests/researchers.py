"""A researcher's surroundings for tests of roles: policy, means, a ship, money, and waking it."""

from typing import Any

from swarm.comms.messages import research, ship
from swarm.comms.messages import treasury as money
from swarm.gpu.cost import CostModel
from swarm.gpu.devices import H100
from swarm.kernel.message import ActorId, Message
from swarm.kernel.role import Role
from swarm.pipeline.campaign import Means
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_FLOPS,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
)
from swarm.pipeline.research.state import Policy
from swarm.testing import FakeContext
from swarm.units import DAY, Credits, Flops, Ticks
from tests.ships import LATER_PARTS, checkpoint

MEANS = Means(
    broker=ActorId("gpu_broker-0"),
    treasury=ActorId("treasury-0"),
    evaluators=(ActorId("evaluator-0"),),
    bid_per_gpu_tick=Credits(100),
    max_price_per_score=Credits(100_000),
    bidding_window=Ticks(300),
    patience=Ticks(3_600),
    lease_patience=DAY,
    scoring_seed=7,
)
POLICY = Policy(
    corpus="c" * 64,
    flops=GENERATION_0_FLOPS,
    checkpoint_flops=Flops(2 * GENERATION_0_FLOPS),
    max_params=None,
    claim_threshold=0.05,
    post_steps=20,
    build_price=Credits(1_000),
    exam=(),
    review_price=Credits(14_000_000),
    director=ActorId("director-0"),
    spare_percent=25,
    thinking=Ticks(60),
)
COST = CostModel(device=H100, virtual_flops_per_flop=90_000_000, mfu_percent=40)
PARTS = {
    **LATER_PARTS,
    "architecture": canonical_json(GENERATION_0_ARCHITECTURE),
    "checkpoint": checkpoint(artifact="old", recipe="another"),
    "mixture": canonical_json(GENERATION_0_MIXTURE),
    "optimizer": canonical_json(GENERATION_0_OPTIMIZER),
}
ANNOUNCED = ship.Announced(
    generation=0,
    manifest="m" * 32,
    parts=tuple(sorted(PARTS.items())),
    base_bpb=(4.0, 4.2),
    arms=(("unsolved", (0.9, 0.92)),),
)
RICH = money.Credited(amount=Credits(1), balance=Credits(90_000_000), reason="income")


def awake(role: Role[Any], ctx: FakeContext) -> list[Message]:
    """Returns what it says and asks once it has a ship and money."""
    for message in (ANNOUNCED, RICH):
        role.receive(message, ctx)
    ctx.drain()
    role.receive(research.WakeDue(), ctx)
    return [one for effect in ctx.effects for one in effect if isinstance(one, Message)]

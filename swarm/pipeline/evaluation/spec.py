"""What an evaluation is: a checkpoint, a split that training cannot read, and which blocks of it.

Two checkpoints evaluated with one seed read the same blocks in the same order, so their
``block_bpb`` are paired.
"""

from typing import Literal

from swarm.kernel.message import Message
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE
from swarm.units import Flops

Split = Literal["sealed", "audit"]
"""``sealed`` steers decisions during a run; ``audit`` is read after it, and only reports."""

BLOCK_BYTES = 256
"""Length of a block; every byte of it is predicted exactly once."""

N_BLOCKS = 96
"""How many blocks an evaluation reads, unless there is a reason for another number."""


class Evaluate(Message, frozen=True, kw_only=True, tag="evaluation.evaluate"):
    """Measure a checkpoint. Answered by ``Evaluated`` or ``work.JobFailed``."""

    corpus: str
    """Hash of the corpus."""
    artifact: str
    """Hash of the checkpoint, as ``Trained`` gives it."""
    split: Split
    seed: int
    """Selects the blocks, without replacement, from every domain in proportion to its weight."""
    n_blocks: int = N_BLOCKS
    """At least one per domain; a domain that has fewer than its share is read whole."""

    def cost(self) -> Flops:
        """Returns the nominal cost, before it starts.

        The specification names a checkpoint and not its shape, so the price is that of the shape
        of generation 0: a forward pass, a third of training.
        """
        n_bytes = max(0, self.n_blocks) * BLOCK_BYTES
        return Flops(n_bytes * GENERATION_0_ARCHITECTURE.flops_per_token() // 3)


class Evaluated(Message, frozen=True, kw_only=True, tag="evaluation.evaluated"):
    """Bits per byte, lower is better; a model that knows nothing has 8."""

    bpb: float
    """Mean over domains with the fixed weights of the corpus' benchmark."""
    domain_bpb: tuple[tuple[str, float], ...]
    """In the order of the corpus' domains."""
    block_bpb: tuple[float, ...]
    """One value per block, by domain and then by place in the split."""
    n_bytes: int
    """Bytes predicted."""

"""What an evaluation would give: reads a surrogate checkpoint and adds noise per block."""

import msgspec

from swarm.comms.messages.work import JobFailed
from swarm.kernel.rng import Stream
from swarm.pipeline.evaluation.spec import BLOCK_BYTES, Evaluate, Evaluated
from swarm.pipeline.pretraining.surrogate import Checkpoint
from swarm.pipeline.workbench import MissingError, Workbench

_BLOCK_SD = 0.3
_OWN_SD = 0.02


def evaluate(spec: Evaluate, bench: Workbench) -> Evaluated | JobFailed:
    """Answers an evaluation by formula; blocks are paired as in a real one."""
    try:
        data = bench.get_artifact(spec.artifact)
    except MissingError as missing:
        return JobFailed(kind="missing", reason=str(missing))
    bpb = msgspec.json.decode(data, type=Checkpoint).surrogate_bpb
    text = Stream(seed=spec.seed, owner=spec.split, name="blocks")
    own = Stream(seed=spec.seed, owner=spec.artifact, name="blocks")
    blocks = tuple(
        round(bpb + _BLOCK_SD * text.normal() + _OWN_SD * own.normal(), 6)
        for _ in range(spec.n_blocks)
    )
    return Evaluated(
        bpb=bpb,
        domain_bpb=(("surrogate", bpb),),
        block_bpb=blocks,
        n_bytes=spec.n_blocks * BLOCK_BYTES,
    )

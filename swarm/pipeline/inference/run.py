"""The jobs of the inference stage: imported by workers only."""

from swarm.comms.messages import work
from swarm.errors import WireError
from swarm.pipeline.inference.engine import open_engine
from swarm.pipeline.inference.referee import decide
from swarm.pipeline.inference.spec import Referee, Refereed
from swarm.pipeline.pretraining.model import use_one_deterministic_thread
from swarm.pipeline.pretraining.run import decode_checkpoint
from swarm.pipeline.workbench import MissingError, Workbench


def referee(spec: Referee, bench: Workbench) -> Refereed | work.JobFailed:
    """Checks a decoder against another and compares their speeds.

    Raises:
        RunFailedError: If the checkpoint is damaged.
    """
    if problem := spec.problem():
        return work.JobFailed(kind="invalid", reason=problem)
    for decoder in (spec.base, spec.candidate):
        if why := open_engine(decoder).unavailable():
            reason = f"engine {decoder.engine!r} is not available: {why}"
            return work.JobFailed(kind="missing", reason=reason)
    try:
        checkpoint = bench.get_artifact(spec.artifact)
    except MissingError as missing:
        return work.JobFailed(kind="missing", reason=str(missing))
    use_one_deterministic_thread()
    try:
        model = decode_checkpoint(checkpoint)
    except WireError as wrong:
        return work.JobFailed(kind="invalid", reason=f"artifact {spec.artifact}: {wrong}")
    return decide(spec, model)

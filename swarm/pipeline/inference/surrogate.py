"""What a referee would find, without torch: speeds by the table, exactness by the type.

bfloat16 has 8 bits of mantissa: of a random model whose logits are far apart 1.4 % of the greedy
bytes and 8 % of the sampled ones came out another way, here it is 5 %. The other types are exact.
A surrogate checkpoint has no shape: speeds are those of generation 0's.
"""

import math

from swarm.comms.messages.work import JobFailed
from swarm.pipeline.inference import speeds
from swarm.pipeline.inference.spec import Referee, Refereed, refusal
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE
from swarm.pipeline.workbench import MissingError, Workbench

_WRONG_SHARE = {"float32": 0.0, "float64": 0.0, "bfloat16": 0.05}


def referee(spec: Referee, bench: Workbench) -> Refereed | JobFailed:
    """Answers a referee's job by formula; timing is that of the table whatever was asked for."""
    if problem := spec.problem():
        return JobFailed(kind="invalid", reason=problem)
    try:
        bench.get_artifact(spec.artifact)
    except MissingError as missing:
        return JobFailed(kind="missing", reason=str(missing))
    n_answers = 2 * spec.n_prompts * spec.per_prompt
    n_bytes = n_answers * min(spec.max_new, GENERATION_0_ARCHITECTURE.context // 2)
    n_wrong = math.ceil(_WRONG_SHARE[spec.candidate.dtype] * n_bytes)
    n_params = GENERATION_0_ARCHITECTURE.n_params()
    base, candidate = (speeds.rate(one, n_params) for one in (spec.base, spec.candidate))
    ratio = speeds.ratio(base, candidate)
    return Refereed(
        n_bytes=n_bytes,
        n_near_ties=0,
        n_mismatched=min(n_wrong, n_answers),
        n_wrong=n_wrong,
        base_rate=round(base.middle, 1),
        candidate_rate=round(candidate.middle, 1),
        ratio=round(ratio.middle, 4),
        ratio_low=round(ratio.low, 4),
        ratio_high=round(ratio.high, 4),
        kernel_timing="modelled",
        refusal=refusal(n_bytes=n_bytes, n_near_ties=0, n_wrong=n_wrong, ratio_low=ratio.low),
    )

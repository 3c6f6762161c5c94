"""A job that surrogates answer in no time."""

from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Train,
)
from swarm.units import Flops

JOB = Train(
    corpus="0" * 64,
    mixture=GENERATION_0_MIXTURE,
    architecture=GENERATION_0_ARCHITECTURE,
    optimizer=GENERATION_0_OPTIMIZER,
    flops=Flops(10**9),
    seed=0,
)

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from swarm.pipeline.pretraining.corpus import CorpusInfo, build_corpus
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Train,
)
from swarm.pipeline.workbench import Workbench
from swarm.units import Flops


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpora")


@pytest.fixture(scope="session")
def corpus(corpus_dir: Path) -> CorpusInfo:
    """A small corpus of the standard library, built once for all tests."""
    return build_corpus(None, corpus_dir, 0, cap_bytes=1_500_000)


@pytest.fixture(scope="session")
def bench(corpus_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    return Workbench(corpus_dir=corpus_dir, artifacts_dir=tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="session")
def tiny(corpus: CorpusInfo) -> Callable[..., Train]:
    """Makes the specification of a job of a few steps; arguments change fields of the job."""
    job = Train(
        corpus=corpus.hash,
        mixture=GENERATION_0_MIXTURE,
        architecture=replace(
            GENERATION_0_ARCHITECTURE, width=16, heads=2, depth=2, context=32, window=8
        ),
        optimizer=replace(GENERATION_0_OPTIMIZER, batch_tokens=256),
        flops=Flops(1),
        seed=0,
    )
    one_step = 256 * job.architecture.flops_per_token()

    def make(*, steps: int = 5, **changes: object) -> Train:
        return replace(job, **{"flops": Flops(steps * one_step), **changes})

    return make

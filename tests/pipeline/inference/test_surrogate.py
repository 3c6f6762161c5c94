import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from swarm.comms.messages import work
from swarm.pipeline.inference.spec import DecoderSpec, Referee, Refereed
from swarm.pipeline.inference.surrogate import referee
from swarm.pipeline.workbench import Workbench


@pytest.fixture
def empty(tmp_path: Path) -> Workbench:
    return Workbench(corpus_dir=tmp_path, artifacts_dir=tmp_path)


def job(bench: Workbench, candidate: DecoderSpec) -> Referee:
    return Referee(
        artifact=bench.put_artifact(b"{}"),
        base=DecoderSpec(engine="reference"),
        candidate=candidate,
        seed=0,
    )


def test_an_exact_engine_is_let_aboard_and_a_coarse_one_is_not(empty: Workbench) -> None:
    good, bad = (
        referee(job(empty, DecoderSpec(engine="grouped", dtype=dtype)), empty)
        for dtype in ("float32", "bfloat16")
    )

    assert isinstance(good, Refereed)
    assert isinstance(bad, Refereed)
    assert good.refusal == ""
    assert good.ratio > 4
    assert bad.refusal.endswith("bytes are wrong")


def test_what_cannot_be_done_is_an_answer(empty: Workbench) -> None:
    spec = job(empty, DecoderSpec(engine="cached"))

    missing = referee(replace(spec, artifact="0" * 64), empty)
    invalid = referee(replace(spec, rounds=0), empty)

    assert isinstance(missing, work.JobFailed)
    assert missing.kind == "missing"
    assert isinstance(invalid, work.JobFailed)
    assert invalid.kind == "invalid"


def test_neither_the_surrogate_nor_the_spec_imports_torch() -> None:
    code = (
        "import sys, swarm.pipeline.inference.surrogate, swarm.pipeline.inference.spec;"
        "sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

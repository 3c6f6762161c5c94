"""The script that an export writes trains what the job trains."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace

from swarm.pipeline.pretraining.run import decode_checkpoint, train
from swarm.pipeline.pretraining.script import training_script
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE, Train, Trained
from swarm.pipeline.workbench import Workbench

Make = Callable[..., Train]

SHAPES: Mapping[str, Mapping[str, object]] = {
    "generation 0": {},
    "llama": {"norm": "rmsnorm", "positions": "rope", "activation": "swiglu"},
    "modern": {
        "positions": "rope",
        "activation": "relu2",
        "qk_norm": True,
        "zero_init": True,
        "attention": "grouped-query",
        "n_kv_heads": 2,
    },
    "windowed": {"positions": "rope", "attention": "windowed", "window": 7, "depth": 1},
}
OPTIMIZERS: Mapping[str, Mapping[str, object]] = {
    "adamw cosine": {"name": "adamw", "schedule": "cosine"},
    "muon wsd": {"name": "muon", "lr": 0.02, "schedule": "wsd"},
    "muon linear": {"name": "muon", "lr": 0.01, "schedule": "linear"},
    "adamw constant": {"name": "adamw", "schedule": "constant", "warmup": 0.0},
}


def recipe(tiny: Make, shape: str, optimizer: str) -> Train:
    spec = tiny(steps=24)
    changed = {"width": 32, "depth": 2, "heads": 4, "context": 32, **SHAPES[shape]}
    # An aim of 24 steps for the fixture's shape is another number for this one.
    return replace(
        spec,
        architecture=replace(GENERATION_0_ARCHITECTURE, **changed),
        optimizer=replace(spec.optimizer, **OPTIMIZERS[optimizer]),
    )


def corpus_of(spec: Train, bench: Workbench) -> Path:
    return bench.corpus_dir / spec.corpus / "train"


@pytest.mark.torch
@pytest.mark.parametrize(
    ("shape", "optimizer"), list(zip(SHAPES, OPTIMIZERS, strict=True)), ids=list(SHAPES)
)
def test_the_script_gives_the_job_s_weights_to_the_bit(
    tiny: Make, bench: Workbench, tmp_path: Path, shape: str, optimizer: str
) -> None:
    spec = recipe(tiny, shape, optimizer)
    script, out = tmp_path / "train.py", tmp_path / "trained.pt"
    script.write_text(training_script(spec, run="a run"))

    printed = subprocess.run(
        [sys.executable, script, "--corpus", corpus_of(spec, bench), "--out", out],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    job = train(spec, bench)
    assert isinstance(job, Trained)
    ours = decode_checkpoint(bench.get_artifact(job.artifact)).state_dict()
    theirs = torch.load(out, weights_only=True)
    assert theirs.keys() == ours.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert f"{job.train_bpb:.6f} bits per byte" in printed.splitlines()[-1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_script_is_python_without_swarm_or_marks_of_the_template(
    tiny: Make, shape: str, optimizer: str
) -> None:
    text = training_script(recipe(tiny, shape, optimizer), run="a run")

    compile(text, "train.py", "exec")
    imported = re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)
    assert set(imported) == {"argparse", "math", "hashlib", "pathlib", "torch"}
    assert re.findall(r"\{\{|\}\}|^#(?:if|else|end)", text, re.MULTILINE) == []
    assert max(len(line) for line in text.splitlines()) <= 100


def test_the_script_says_only_what_the_recipe_uses(tiny: Make) -> None:
    text = training_script(recipe(tiny, "generation 0", "adamw cosine"), run="a run")

    assert "winning recipe of a run" in text
    assert "Muon" not in text
    assert "rotate" not in text
    assert "gelu" in text

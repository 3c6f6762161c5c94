"""A long training whose process dies goes on from where it saved, to the same bits."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from msgspec.structs import replace
from torch import Tensor

from swarm.pipeline.pretraining import run
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.run import Reader, optimise, seeded, train
from swarm.pipeline.pretraining.spec import Train, Trained
from swarm.pipeline.workbench import Unfinished, Workbench

pytestmark = pytest.mark.torch

Make = Callable[..., Train]


class Mortal(Reader):
    """Reads until the process dies, and counts."""

    def __init__(self, bench: Workbench, spec: Train, *, dies_at: int) -> None:
        super().__init__(bench.training_text(spec.corpus), spec)
        self.n_read = 0
        self._dies_at = dies_at

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        if step == self._dies_at:
            raise KeyboardInterrupt
        self.n_read += 1
        return super().batch(step)


def saving_every(spec: Train, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SAVE_FLOPS", spec.flops * steps // spec.n_steps)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_a_training_that_died_goes_on_to_the_same_bits(
    tiny: Make, bench: Workbench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spec = tiny(steps=30)
    spec = replace(spec, optimizer=replace(spec.optimizer, name=name))
    whole = train(spec, bench)
    saving_every(spec, 10, monkeypatch)
    saved = bench.unfinished(msgspec.json.encode(spec))
    with pytest.raises(KeyboardInterrupt):
        optimise(fresh(spec), spec, Mortal(bench, spec, dies_at=27), saved)
    second = Mortal(bench, spec, dies_at=-1)
    optimise(fresh(spec), spec, second, saved)

    outcome = train(spec, bench)

    assert isinstance(outcome, Trained)
    assert second.n_read == 10
    assert outcome == whole
    assert saved.load() is None


def test_a_short_training_saves_nothing(tiny: Make, bench: Workbench, tmp_path: Path) -> None:
    train(tiny(steps=10), dataclasses.replace(bench, artifacts_dir=tmp_path))

    assert not (tmp_path / "unfinished").exists()


def test_what_is_damaged_counts_as_nothing(tmp_path: Path) -> None:
    saved = Unfinished(tmp_path / "half")
    saved.save(b"so far")
    assert saved.load() == b"so far"

    (tmp_path / "half").write_bytes((tmp_path / "half").read_bytes()[:-1])

    assert saved.load() is None


def test_half_a_job_of_other_code_is_not_found(tmp_path: Path) -> None:
    here = Workbench(corpus_dir=tmp_path, artifacts_dir=tmp_path, salt="this code")
    there = Workbench(corpus_dir=tmp_path, artifacts_dir=tmp_path, salt="other code")
    there.unfinished(b"job").save(b"so far")

    assert here.unfinished(b"job").load() is None


def fresh(spec: Train) -> Transformer:
    torch.use_deterministic_algorithms(mode=True)
    return Transformer(spec.architecture, seeded(spec.seed, "weights"))

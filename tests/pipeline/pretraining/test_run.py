import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from msgspec.structs import replace

from swarm.comms.messages import work
from swarm.pipeline.pretraining.corpus import CorpusInfo
from swarm.pipeline.pretraining.run import (
    Reader,
    decode_checkpoint,
    encode_checkpoint,
    seeded,
    shares,
    train,
)
from swarm.pipeline.pretraining.spec import Mixture, Train, Trained
from swarm.pipeline.workbench import Workbench

pytestmark = pytest.mark.torch

Make = Callable[..., Train]


def outcome(spec: Train, bench: Workbench) -> Trained:
    result = train(spec, bench)
    assert isinstance(result, Trained), result
    return result


def failure(spec: Train, bench: Workbench) -> work.JobFailed:
    result = train(spec, bench)
    assert isinstance(result, work.JobFailed), result
    return result


def test_training_learns_and_says_what_it_spent(tiny: Make, bench: Workbench) -> None:
    spec = tiny(steps=100)

    result = outcome(spec, bench)

    assert result.train_bpb < 7.0
    assert (result.steps, result.tokens) == (100, 100 * 256)
    assert result.n_params == spec.architecture.n_params()
    assert decode_checkpoint(bench.get_artifact(result.artifact)).shape == spec.architecture


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_the_same_job_gives_the_same_bits(tiny: Make, bench: Workbench, name: str) -> None:
    spec = tiny()
    spec = replace(spec, optimizer=replace(spec.optimizer, name=name))

    assert outcome(spec, bench) == outcome(spec, bench)


def test_the_state_of_torch_has_no_influence_and_is_left_alone(
    tiny: Make, bench: Workbench
) -> None:
    torch.manual_seed(1)
    first = outcome(tiny(), bench)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()

    second = outcome(tiny(), bench)

    assert first == second
    assert torch.equal(torch.random.get_rng_state(), state)


_TRAIN_IN_A_PROCESS = """
import sys, pathlib, msgspec
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from swarm.pipeline.pretraining.run import train
from swarm.pipeline.pretraining.spec import Train
from swarm.pipeline.workbench import Workbench
corpora, artifacts, job = sys.argv[1:]
bench = Workbench(corpus_dir=pathlib.Path(corpora), artifacts_dir=pathlib.Path(artifacts))
result = train(msgspec.json.decode(job, type=Train), bench)
below = sorted({name.removeprefix(corpora) for name in opened if name.startswith(corpora)})
print(msgspec.json.encode([result, below]).decode())
"""


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_bits_and_opens_no_held_out_file(
    tiny: Make, bench: Workbench, tmp_path: Path
) -> None:
    spec = tiny()
    arguments = (str(bench.corpus_dir), str(tmp_path), msgspec.json.encode(spec).decode())

    done = subprocess.run(
        [sys.executable, "-c", _TRAIN_IN_A_PROCESS, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "7"},
    )

    result, opened = msgspec.json.decode(done.stdout, type=tuple[Trained, list[str]])
    assert result == outcome(spec, bench)
    assert len(opened) == 1 + len(spec.mixture.weights)
    assert not [name for name in opened if "sealed" in name or "audit" in name]


@pytest.mark.parametrize(
    "change",
    [
        {"norm": "rmsnorm"},
        {"positions": "rope"},
        {"activation": "relu2"},
        {"activation": "swiglu"},
        {"qk_norm": True},
        {"zero_init": True},
        {"attention": "windowed"},
        {"attention": "grouped-query"},
        {"depth": 1},
        {"heads": 4},
        {"context": 16},
    ],
    ids=str,
)
def test_every_choice_of_architecture_changes_the_loss(
    tiny: Make, bench: Workbench, change: dict[str, object]
) -> None:
    plain = tiny(steps=20)
    # Muon, because heads hardly matter before the attention has learned something.
    plain = replace(plain, optimizer=replace(plain.optimizer, name="muon", lr=0.02))

    changed = replace(plain, architecture=replace(plain.architecture, **change))

    assert outcome(changed, bench).train_bpb != outcome(plain, bench).train_bpb


@pytest.mark.parametrize(
    "change",
    [
        {"name": "muon"},
        {"name": "muon", "adam_lr": 0.02},
        {"lr": 0.004},
        {"weight_decay": 0.5},
        {"batch_tokens": 128},
        {"warmup": 0.5},
        {"schedule": "constant"},
        {"schedule": "linear"},
        {"schedule": "wsd"},
    ],
    ids=str,
)
def test_every_choice_of_optimizer_changes_the_model(
    tiny: Make, bench: Workbench, change: dict[str, object]
) -> None:
    plain = tiny()

    changed = replace(plain, optimizer=replace(plain.optimizer, **change))

    assert outcome(changed, bench).artifact != outcome(plain, bench).artifact


def test_seed_and_mixture_change_the_model(tiny: Make, bench: Workbench) -> None:
    code = Mixture(weights=(("code", 1.0),))

    artifacts = {
        outcome(spec, bench).artifact for spec in (tiny(), tiny(seed=1), tiny(mixture=code))
    }

    assert len(artifacts) == 3


def test_a_wild_rate_is_a_job_that_diverged(tiny: Make, bench: Workbench) -> None:
    spec = tiny(steps=100)

    failed = failure(replace(spec, optimizer=replace(spec.optimizer, lr=1e3)), bench)

    assert failed.kind == "diverged"
    assert failed.step in (20, 40)


def test_a_model_over_the_limit_is_not_built(tiny: Make, bench: Workbench) -> None:
    spec = tiny()
    n_params = spec.architecture.n_params()

    failed = failure(replace(spec, max_params=n_params - 1), bench)

    assert (failed.kind, failed.step) == ("limit", 0)
    assert str(n_params) in failed.reason
    outcome(replace(spec, max_params=n_params), bench)


def test_nonsense_unknown_domains_and_missing_corpora_are_answers(
    tiny: Make, bench: Workbench
) -> None:
    spec = tiny()
    odd = replace(spec, architecture=replace(spec.architecture, heads=3))
    poems = replace(spec, mixture=Mixture(weights=(("poems", 1.0),)))
    nowhere = replace(spec, corpus="0" * 64)

    kinds = [failure(job, bench).kind for job in (odd, poems, nowhere)]

    assert kinds == ["invalid", "invalid", "missing"]


def test_text_is_read_as_often_as_the_mixture_says(
    tiny: Make, bench: Workbench, corpus: CorpusInfo
) -> None:
    mixture = Mixture(weights=(("noise", 3.0), ("brackets", 1.0)))
    spec = tiny(mixture=mixture, steps=10)
    reader = Reader(bench.training_text(corpus.hash), spec)

    batches = [reader.batch(step) for step in range(10)]

    rows = torch.cat([inputs for inputs, _ in batches]).tolist()
    assert len(rows) == 80
    assert sum(set(row) <= set(b"([{<)]}>") for row in rows) == 20
    assert all(torch.equal(inputs[:, 1:], targets[:, :-1]) for inputs, targets in batches)


def test_shares_are_whole_and_sum_to_the_total() -> None:
    mixture = Mixture(weights=(("a", 1.0), ("b", 1.0), ("c", 0.0), ("d", 1.0)))

    assert shares(mixture, 8) == [("a", 3), ("b", 3), ("d", 2)]


def test_draws_are_a_function_of_seed_and_purpose() -> None:
    draws = [torch.rand(1, generator=seeded(*key)).item() for key in ((1, "a"), (1, "b"), (2, "a"))]

    assert len(set(draws)) == 3
    assert torch.rand(1, generator=seeded(1, "a")).item() == draws[0]


def test_a_checkpoint_computes_what_the_model_computed(tiny: Make, bench: Workbench) -> None:
    model = decode_checkpoint(bench.get_artifact(outcome(tiny(), bench).artifact))
    read = torch.arange(32)[None]

    again = decode_checkpoint(encode_checkpoint(model))

    assert torch.equal(again(read), model(read))

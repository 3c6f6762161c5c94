import math

import pytest
import torch
from msgspec.structs import replace

from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.optimizer import Muon, Updater, orthogonalise
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE, Optimizer

pytestmark = pytest.mark.torch

SHAPE = replace(GENERATION_0_ARCHITECTURE, width=16, depth=1, heads=2, context=16)
ADAMW = Optimizer(
    name="adamw", lr=0.01, weight_decay=0.0, batch_tokens=64, warmup=0.0, schedule="constant"
)
MUON = replace(ADAMW, name="muon", lr=0.02, adam_lr=0.01)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (48, 16), (16, 64)])
def test_singular_values_move_to_about_one_and_vectors_stay(rows: int, columns: int) -> None:
    batch = torch.randn(3, rows, columns, generator=generator())

    moved = orthogonalise(batch)

    u, _, vh = torch.linalg.svd(batch, full_matrices=False)
    core = u.mT @ moved @ vh.mT
    singular = core.diagonal(dim1=1, dim2=2)
    assert moved.shape == batch.shape
    assert 0.6 < float(singular.min()) <= float(singular.max()) < 1.3
    assert torch.allclose(core, torch.diag_embed(singular), atol=1e-3)


def test_a_matrix_of_zeros_stays_zeros() -> None:
    assert not orthogonalise(torch.zeros(1, 4, 8)).any()


def test_parts_of_one_matrix_are_orthogonalised_apart() -> None:
    whole = torch.zeros(12, 4)
    whole.grad = torch.randn(12, 4, generator=generator())
    gradients = whole.grad.clone()

    Muon([(whole, (4, 4, 4))], weight_decay=0.0).step(0.5)

    apart = orthogonalise(gradients.view(3, 4, 4)).reshape(12, 4)
    assert torch.allclose(whole, -0.5 * apart, atol=1e-5)


def test_a_tall_matrix_takes_larger_steps() -> None:
    tall = torch.zeros(16, 4)
    tall.grad = torch.randn(16, 4, generator=generator())

    Muon([(tall, (16,))], weight_decay=0.0).step(1.0)

    assert float(tall.norm()) == pytest.approx(2.0 * math.sqrt(4), rel=0.35)


def test_weight_decay_shrinks_by_its_share_of_the_rate() -> None:
    matrix = torch.ones(4, 4)
    matrix.grad = torch.zeros(4, 4)

    Muon([(matrix, (4,))], weight_decay=0.5).step(0.1)

    assert torch.allclose(matrix, torch.full((4, 4), 0.95))


def test_newton_schulz_agrees_with_torch_up_to_its_bfloat16() -> None:
    ours = torch.zeros(8, 16)
    theirs = torch.nn.Parameter(torch.zeros(8, 16))
    ours.grad = torch.randn(8, 16, generator=generator())
    theirs.grad = ours.grad.clone()

    Muon([(ours, (8,))], weight_decay=0.0).step(0.1)
    torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0).step()  # type: ignore[no-untyped-call]

    assert torch.allclose(ours, theirs.detach(), atol=0.01)


@pytest.mark.parametrize("spec", [ADAMW, MUON], ids=["adamw", "muon"])
def test_a_step_changes_every_parameter_and_forgets_gradients(spec: Optimizer) -> None:
    model = Transformer(SHAPE, generator())
    before = {name: one.clone() for name, one in model.state_dict().items()}
    updater = Updater(model, spec)
    read = torch.randint(256, (4, 17), generator=generator())

    model.bits(read[:, :-1], read[:, 1:]).mean().backward()  # type: ignore[no-untyped-call]
    updater.step(0, 10)

    assert [
        name for name, one in model.state_dict().items() if torch.equal(one, before[name])
    ] == []
    assert all(one.grad is None for one in model.parameters())


@pytest.mark.parametrize("spec", [ADAMW, MUON], ids=["adamw", "muon"])
def test_repeated_text_is_learned_by_heart(spec: Optimizer) -> None:
    model = Transformer(SHAPE, generator())
    updater = Updater(model, spec)
    read = torch.randint(256, (4, 17), generator=generator())

    bits = []
    for step in range(80):
        loss = model.bits(read[:, :-1], read[:, 1:]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        updater.step(step, 80)
        bits.append(float(loss.detach()))

    assert bits[0] > 7.5
    assert bits[-1] < 2.0

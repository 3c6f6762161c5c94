"""Rules every decode engine must obey; a new file is covered without registration."""

import pkgutil
from functools import cache

import pytest
import torch

import swarm.pipeline.inference.engines
from swarm.pipeline.inference import speeds
from swarm.pipeline.inference.engine import Engine, decoder, open_engine
from swarm.pipeline.inference.sampler import sample, sample_with
from swarm.pipeline.inference.spec import ENGINES, DecoderSpec
from swarm.pipeline.pretraining.model import Transformer
from tests.pipeline.inference.models import SHAPES, SMALL, sharp_model, some_prompts

pytestmark = pytest.mark.torch

NAMES = sorted(one.name for one in pkgutil.iter_modules(swarm.pipeline.inference.engines.__path__))
ALL = pytest.mark.parametrize("name", NAMES)
STOP = ord("e")


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine that can work here."""
    name = str(request.param)
    if why := open_engine(decoder(name)).unavailable():
        pytest.skip(why)
    return name


def decode(
    model: Transformer, engine: DecoderSpec, *, temperature: float = 1.0
) -> list[list[bytes]]:
    return sample(
        model,
        some_prompts(6),
        per_prompt=2,
        max_new=16,
        temperature=temperature,
        seed=5,
        engine=engine,
        stop=STOP,
    )


def hold(worker: Engine, model: Transformer) -> list[list[bytes]]:
    """Decodes what ``decode`` does, with an engine that is open."""
    return sample_with(
        worker,
        some_prompts(6),
        context=model.shape.context,
        rows=512,
        per_prompt=2,
        max_new=16,
        temperature=1.0,
        seed=5,
        stop=STOP,
    )


def test_the_folder_holds_the_engines_that_a_decoder_may_name() -> None:
    assert sorted(ENGINES) == NAMES


@ALL
def test_the_table_knows_how_fast_it_is_at_any_setting(name: str) -> None:
    for dtype in ("float32", "float64", "bfloat16"):
        for compact in (True, False):
            spec = DecoderSpec(engine=decoder(name).engine, dtype=dtype, compact=compact)
            if spec.problem() is None:
                assert speeds.rate(spec, 180_000).middle > 0


@cache
def by_reference(shape: str, temperature: float) -> list[list[bytes]]:
    return decode(sharp_model(SHAPES[shape]), decoder("reference"), temperature=temperature)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_every_answer_is_the_references(engine: str, shape: str, temperature: float) -> None:
    model = sharp_model(SHAPES[shape])

    found = decode(model, decoder(engine), temperature=temperature)

    assert found == by_reference(shape, temperature)


@pytest.mark.parametrize("batch", [1, 5])
def test_which_answers_share_a_batch_decides_none_of_them(engine: str, batch: int) -> None:
    model = sharp_model(stop=STOP)
    spec = decoder(engine)

    found = decode(model, DecoderSpec(engine=spec.engine, batch=batch))

    assert found == decode(model, spec)


def test_letting_finished_answers_leave_changes_nothing(engine: str) -> None:
    model = sharp_model(stop=STOP)
    spec = decoder(engine)

    found = decode(model, DecoderSpec(engine=spec.engine, compact=False))

    assert found == decode(model, spec)
    lengths = {len(answer) for answers in found for answer in answers}
    assert len(lengths) > 3, "answers of one length would test nothing"


def test_weights_are_swapped_hot(engine: str) -> None:
    model, other = sharp_model(seed=0), sharp_model(seed=1)
    worker = open_engine(decoder(engine))
    worker.load(model)
    before = hold(worker, model)

    with torch.no_grad():
        for old, new in zip(model.parameters(), other.parameters(), strict=True):
            old.copy_(new)
    worker.load(model)

    assert before != hold(worker, model) == decode(other, decoder("reference"))


def test_a_prompt_may_fill_the_context_but_for_one_byte(engine: str) -> None:
    model = sharp_model()
    prompts = [b"x" * (SMALL.context - 1), b"x" * (SMALL.context - 1)]

    found, reference = (
        sample(model, prompts, per_prompt=2, max_new=1, temperature=1.0, seed=3, engine=one)
        for one in (engine, "reference")
    )

    assert found == reference

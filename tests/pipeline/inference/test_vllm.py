"""The real vLLM, in the environment of ``make vllm``: it serves what we have, and as we have it."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace

from swarm.comms.messages.mind import ProposePart
from swarm.errors import UsageError
from swarm.minds.language import MODEL, URL, Language
from swarm.pipeline.inference.engine import decoder, open_engine
from swarm.pipeline.inference.hugging_face import write_checkpoint
from swarm.pipeline.inference.openai import Endpoint, Turn, ask
from swarm.pipeline.inference.sampler import sample_with
from swarm.pipeline.inference.vllm_client import Completion, complete, swap_weights
from swarm.pipeline.inference.vllm_engine import VllmEngine
from swarm.pipeline.inference.vllm_server import SERVED_NAME, find_python, running
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.run import decode_checkpoint
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_OPTIMIZER,
    Architecture,
    Optimizer,
)
from tests.trained_run import write_trained_run

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_python() is None, reason="no vLLM here: make vllm builds it"),
]

# Longer than a lab's models may be: a question to the mind takes some 2,000 bytes.
LLAMA = replace(
    GENERATION_0_ARCHITECTURE,
    norm="rmsnorm",
    positions="rope",
    activation="swiglu",
    attention="grouped-query",
    n_kv_heads=2,
    context=4_096,
)
MODERN = replace(
    GENERATION_0_ARCHITECTURE,
    positions="rope",
    activation="relu2",
    qk_norm=True,
    attention="windowed",
    window=9,
    width=32,
)
PROMPTS = (b"def answer(question):\n", b"three and four are ", bytes(range(256))[1:200])
TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A server, and two sets of weights of one shape: it began with the first."""

    endpoint: Endpoint
    models: tuple[Transformer, Transformer]
    folders: tuple[Path, Path]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("vllm")
    first, second = random_model(LLAMA, seed=1), random_model(LLAMA, seed=2)
    folders = (folder / "first", folder / "second")
    for model, place in zip((first, second), folders, strict=True):
        assert write_checkpoint(model, place).is_llama
    with running(folders[0], context=LLAMA.context, log=folder / "log") as server:
        endpoint = Endpoint(url=server.openai_url, model=SERVED_NAME, timeout_seconds=120.0)
        yield Serving(endpoint=endpoint, models=(first, second), folders=folders)


def random_model(shape: Architecture, *, seed: int) -> Transformer:
    """A model with opinions: no choice is near a tie, and every weight matters."""
    draw = torch.Generator().manual_seed(seed)
    model = Transformer(shape, draw)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=draw))
    return model


def worst_error(
    model: Transformer, prompts: Sequence[bytes], completions: Sequence[Completion]
) -> float:
    """Returns the largest difference of served and own logprobs, over all bytes of all answers."""
    worst = 0.0
    for prompt, one in zip(prompts, completions, strict=True):
        read_1T = torch.tensor([list(prompt + one.text)])
        with torch.inference_mode():
            logprobs_TV = model(read_1T)[0, len(prompt) - 1 : -1].log_softmax(dim=-1)
        ours = logprobs_TV[torch.arange(len(one.text)), read_1T[0, len(prompt) :]]
        worst = max(worst, float((ours - torch.tensor(one.logprobs)).abs().max()))
    return worst


def test_served_logprobs_are_ours(serving: Serving) -> None:
    greedy = complete(serving.endpoint, PROMPTS, max_tokens=32)
    sampled = complete(serving.endpoint, PROMPTS, max_tokens=32, temperature=1.0, seed=5)

    model = serving.models[0]
    assert [len(one.text) for one in greedy + sampled] == [32] * 6
    assert worst_error(model, PROMPTS, greedy) < TOLERANCE
    assert worst_error(model, PROMPTS, sampled) < TOLERANCE
    assert worst_error(serving.models[1], PROMPTS, greedy) > 100 * TOLERANCE


def test_an_answer_ends_with_its_stop_byte(serving: Serving) -> None:
    [free] = complete(serving.endpoint, PROMPTS[:1], max_tokens=32)
    stop = free.text[5]

    [stopped] = complete(serving.endpoint, PROMPTS[:1], max_tokens=32, stop=stop)

    assert stopped.text == free.text[: free.text.index(stop) + 1]


def test_weights_are_swapped_hot_and_cached_prompts_forgotten(serving: Serving) -> None:
    first, second = serving.models
    long = [bytes(range(1, 200)) * 2]  # several blocks of cache, which the swap must drop
    before = complete(serving.endpoint, long, max_tokens=16)

    swap_weights(serving.endpoint, serving.folders[1], served=serving.folders[0])
    between = complete(serving.endpoint, long, max_tokens=16)
    swap_weights(serving.endpoint, serving.folders[0], served=serving.folders[0])
    after = complete(serving.endpoint, long, max_tokens=16)

    assert worst_error(first, long, before) < TOLERANCE
    assert worst_error(second, long, between) < TOLERANCE
    assert worst_error(first, long, after) < TOLERANCE


def test_weights_that_do_not_fit_are_refused_and_the_server_goes_on(
    serving: Serving, tmp_path: Path
) -> None:
    write_checkpoint(random_model(MODERN, seed=1), tmp_path / "other")

    with pytest.raises(UsageError, match="has another shape than"):
        swap_weights(serving.endpoint, tmp_path / "other", served=serving.folders[0])
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        swap_weights(serving.endpoint, tmp_path / "nowhere", served=serving.folders[0])

    greedy = complete(serving.endpoint, PROMPTS, max_tokens=8)
    assert worst_error(serving.models[0], PROMPTS, greedy) < TOLERANCE


def test_fifty_of_fifty_structured_answers_are_valid(serving: Serving) -> None:
    def one(seed: int) -> Optimizer:
        turns = [Turn("user", f"optimizer {seed}?")]
        return ask(serving.endpoint, turns, Optimizer, max_tokens=600, seed=seed)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(one, range(50)))

    assert len(answers) == 50
    assert len(set(answers)) > 40


def test_the_mind_gets_json_of_its_type_and_judges_it(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, serving.endpoint.url)
    monkeypatch.setenv(MODEL, SERVED_NAME)
    current = canonical_json(GENERATION_0_OPTIMIZER)
    question = ProposePart(part="optimizer", current=current, history=(), notes=(), seed=3)

    answer = Language().decide(question)

    # Random weights write JSON of the right shape, with rates that nobody can train at.
    assert answer.value == ""
    assert "expected a usable Optimizer" in answer.reason


def test_as_an_engine_it_decodes_what_the_reference_does(serving: Serving, tmp_path: Path) -> None:
    worker = VllmEngine(
        endpoint=serving.endpoint, served=serving.folders[0], folder=tmp_path / "weights"
    )
    assert worker.unavailable() is None
    reference = open_engine(decoder("reference"))
    settings = {"context": LLAMA.context, "rows": 8, "per_prompt": 2, "max_new": 6, "seed": 9}

    for model in reversed(serving.models):
        answers = []
        for one in (worker, reference):
            one.load(model)
            answers.append(
                [
                    sample_with(one, PROMPTS[:2], temperature=temperature, **settings)
                    for temperature in (0.0, 1.0)
                ]
            )

        assert answers[0] == answers[1]


def test_an_engine_without_a_server_says_so(tmp_path: Path) -> None:
    nobody = Endpoint(url="http://127.0.0.1:9/v1", model=SERVED_NAME)
    worker = VllmEngine(endpoint=nobody, served=tmp_path, folder=tmp_path)

    assert "gave no answer" in str(worker.unavailable())


def test_serve_serves_a_run_of_any_shape_until_it_is_interrupted(tmp_path: Path) -> None:
    run = write_trained_run(tmp_path, shape=MODERN)
    command = [sys.executable, "-m", "swarm", "serve", str(run.path), "--port", "0", "--json"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )

    try:
        assert process.stdout is not None
        served = json.loads(process.stdout.readline())
        endpoint = Endpoint(url=served["url"], model=served["model"], timeout_seconds=120.0)
        prompts = [b"page 3: 27 words. 27", b"page "]
        greedy = complete(endpoint, prompts, max_tokens=24)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    model = decode_checkpoint(run.bench.get_artifact(run.artifact))
    assert served["artifact"] == run.artifact
    assert worst_error(model, prompts, greedy) < TOLERANCE
    assert process.returncode == 130
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(served["url"], timeout=5)

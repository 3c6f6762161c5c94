"""What only vLLM's server can do: probabilities of bytes, and new weights without a restart.

A model of bytes is asked in bytes: prompts go as numbers of tokens, which are the bytes.

Source: vLLM 0.32: ``/v1/completions`` with ``return_tokens_as_token_ids``; with
``VLLM_SERVER_DEV_MODE=1`` also ``/pause``, ``/collective_rpc``, ``/reset_prefix_cache`` and
``/resume``. Weights are read from a folder by the server itself: ``load_weights`` called from
outside fails and leaves mixed weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from swarm.errors import UsageError
from swarm.pipeline.inference.openai import Endpoint, WrongAnswerError, post, read

TOKEN = "token_id:"  # noqa: S105
"""What vLLM puts before the number of a token."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One continuation."""

    text: bytes
    """As it was made, the byte that ended it included."""
    logprobs: tuple[float, ...]
    """Of each byte, natural logarithms."""


def complete(
    endpoint: Endpoint,
    prompts: Sequence[bytes],
    *,
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    stop: int | None = None,
) -> list[Completion]:
    """Continues each prompt once.

    Args:
        endpoint: The server, with ``/v1``.
        prompts: Each at least one byte; prompt and answer fit the model's context.
        max_tokens: Bytes of an answer at most.
        temperature: 0 takes the likeliest byte.
        seed: Draws the answers, if the temperature is above 0.
        stop: The byte that ends an answer; by default none does.

    Raises:
        NoAnswerError: If the server cannot be reached, refuses, or takes too long.
        WrongAnswerError: If its answer cannot be read.
    """
    body = {
        "model": endpoint.model,
        "prompt": [list(prompt) for prompt in prompts],
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
        "ignore_eos": True,
        "stop_token_ids": [] if stop is None else [stop],
        "logprobs": 0,
        "return_tokens_as_token_ids": True,
    }
    reply = read(endpoint, post(endpoint, "completions", body), _Reply)
    choices = sorted(reply.choices, key=lambda choice: choice.index)
    if len(choices) != len(prompts):
        expected = f"{len(prompts)} completions"
        raise WrongAnswerError(url=endpoint.url, expected=expected, came=f"{len(choices)}")
    return [_completion(endpoint, choice.logprobs) for choice in choices]


def swap_weights(endpoint: Endpoint, folder: Path, *, served: Path) -> None:
    """Has the server take the weights of another folder, of the same shape, without a restart.

    What is being answered waits meanwhile. The cache of prompts, which the old weights wrote, is
    dropped.

    Args:
        endpoint: The server, with ``/v1``.
        folder: As ``write_checkpoint`` writes it; on the server's own disk.
        served: The folder that the server was started with. Weights that do not fit would end it,
            so both shapes are compared first.

    Raises:
        UsageError: If there are no weights, or they are of another shape; the server is not asked.
        NoAnswerError: If the server cannot be reached or refuses; it must then be started anew.
    """
    _expect_alike(folder, served)
    # These calls stand beside the protocol, not below it.
    root = replace(endpoint, url=endpoint.url.rstrip("/").removesuffix("/v1"))
    post(root, "pause", {})
    try:
        call = {"method": "reload_weights", "kwargs": {"weights_path": str(folder.resolve())}}
        post(root, "collective_rpc", call)
        post(root, "reset_prefix_cache", {})
    finally:
        post(root, "resume", {})


def _expect_alike(folder: Path, served: Path) -> None:
    try:
        has_weights = (folder / "model.safetensors").is_file()
        shapes = [(one / "config.json").read_bytes() for one in (folder, served)]
    except OSError as wrong:
        raise UsageError(what=f"{wrong.filename} cannot be read: {wrong.strerror}") from wrong
    if not has_weights or shapes[0] != shapes[1]:
        what = "has another shape than" if has_weights else "has no weights to replace those of"
        raise UsageError(what=f"{folder} {what} {served}, which the server was started with")


def _completion(endpoint: Endpoint, told: "_Logprobs") -> Completion:
    if not all(token.startswith(TOKEN) for token in told.tokens):
        raise WrongAnswerError(
            url=endpoint.url, expected="numbers of tokens", came=f"{told.tokens[:3]}"
        )
    text = bytes(int(token.removeprefix(TOKEN)) for token in told.tokens)
    return Completion(text=text, logprobs=tuple(told.token_logprobs))


class _Logprobs(msgspec.Struct):
    tokens: list[str]
    token_logprobs: list[float]


class _Choice(msgspec.Struct):
    index: int
    logprobs: _Logprobs


class _Reply(msgspec.Struct):
    """What we need of a completion."""

    choices: list[_Choice]

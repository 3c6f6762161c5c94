"""The client, against a server that behaves and one that does not."""

import socket
from collections.abc import Iterator
from typing import Annotated

import msgspec
import pytest

from swarm.errors import UsageError
from swarm.pipeline.inference.openai import (
    Endpoint,
    NoAnswerError,
    Turn,
    WrongAnswerError,
    ask,
    plain_schema,
)
from swarm.pipeline.pretraining.spec import Optimizer
from tests.model_server import ModelServer

TURNS = [Turn("system", "you are a test"), Turn("user", "how many?")]


class Count(msgspec.Struct, forbid_unknown_fields=True):
    n: int
    unit: Annotated[str, msgspec.Meta(max_length=5)] = "each"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer().running() as running:
        yield running


def endpoint(server: ModelServer, timeout_seconds: float = 20.0) -> Endpoint:
    return Endpoint(url=server.url, model="m", key="secret", timeout_seconds=timeout_seconds)


def test_an_answer_of_the_type_is_returned(server: ModelServer) -> None:
    server.answers = ['{"n": 3, "unit": "lines"}']

    assert ask(endpoint(server), TURNS, Count, max_tokens=50) == Count(n=3, unit="lines")


def test_the_server_is_told_everything(server: ModelServer) -> None:
    server.answers = ['{"n": 3}']

    ask(endpoint(server), TURNS, Count, max_tokens=50, temperature=0.5, seed=7)

    [asked] = server.asked
    form = asked.pop("response_format")
    assert asked == {
        "path": "/v1/chat/completions",
        "model": "m",
        "messages": [
            {"role": "system", "content": "you are a test"},
            {"role": "user", "content": "how many?"},
        ],
        "max_tokens": 50,
        "temperature": 0.5,
        "seed": 7,
    }
    assert form["json_schema"]["schema"] == plain_schema(Count)
    assert server.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "said",
    ['{"n": "three"}', '{"n": 3, "more": 1}', '{"n": 3, "unit": "kilometres"}', "three", "", "{"],
)
def test_an_answer_of_another_type_is_an_error(server: ModelServer, said: str) -> None:
    server.answers = [said]

    with pytest.raises(WrongAnswerError, match="expected JSON of Count"):
        ask(endpoint(server), TURNS, Count, max_tokens=50)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"choices": []}', b'{"choices": [{}]}'])
def test_a_body_that_is_no_completion_is_an_error(server: ModelServer, body: bytes) -> None:
    server.answers = [body]

    with pytest.raises(WrongAnswerError, match="answered wrongly"):
        ask(endpoint(server), TURNS, Count, max_tokens=50)


def test_a_server_that_refuses_is_quoted(server: ModelServer) -> None:
    server.answers = [503]

    with pytest.raises(NoAnswerError, match="503 Service Unavailable"):
        ask(endpoint(server), TURNS, Count, max_tokens=50)


def test_a_server_that_hangs_is_given_up(server: ModelServer) -> None:
    server.answers = [None]

    with pytest.raises(NoAnswerError, match=r"nothing came for 0\.05 s"):
        ask(endpoint(server, timeout_seconds=0.05), TURNS, Count, max_tokens=50)


def test_nobody_there_is_an_error_of_ours() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"

        with pytest.raises(NoAnswerError, match="refused"):
            ask(Endpoint(url=url, model="m"), TURNS, Count, max_tokens=50)


@pytest.mark.parametrize("url", ["", "localhost:8000", "file:///etc/passwd"])
def test_only_addresses_of_servers_are_asked(url: str) -> None:
    with pytest.raises(UsageError, match="must begin with http"):
        Endpoint(url=url, model="m")


def test_a_schema_is_closed_and_stands_alone() -> None:
    schema = plain_schema(Optimizer)

    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(schema["properties"])
    assert schema["properties"]["name"] == {"enum": ["adamw", "muon"]}
    assert "$ref" not in msgspec.json.encode(schema).decode()

"""A client of any server that speaks OpenAI's protocol: one question, one answer of a known type.

Standard library only. The answer's type says what the server may write (its JSON schema is sent
along) and what is accepted: servers that ignore schemas are caught, not believed.

Source: https://platform.openai.com/docs/api-reference/chat and, for ``response_format``, the guide
on structured outputs there; vLLM, llama.cpp, Ollama and others serve the same.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from swarm.errors import SwarmError, UsageError

_BOUNDS = {"integer": 1_000_000_000, "number": 1_000_000}

AnswerT = TypeVar("AnswerT")


class Turn(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Whom to ask."""

    url: str
    """Where the protocol begins, such as ``http://127.0.0.1:8000/v1``."""
    model: str
    """As the server calls it."""
    key: str = ""
    """Sent as a bearer token, if there is one."""
    timeout_seconds: float = 60.0
    """Without a byte from the server."""

    def __post_init__(self) -> None:
        """Refuses what can never be asked; raises ``UsageError``."""
        if not self.url.startswith(("http://", "https://")):
            raise UsageError(
                what=f"the address of a model server must begin with http:// or https://,"
                f" came {self.url!r}"
            )
        if not self.timeout_seconds > 0:
            raise UsageError(
                what=f"a server must be given time to answer, came {self.timeout_seconds} seconds"
            )


@dataclass(eq=False, kw_only=True)
class NoAnswerError(SwarmError):
    """The server cannot be reached, refuses, or takes too long."""

    url: str
    why: str

    def __str__(self) -> str:
        return f"{self.url} gave no answer: {self.why}"


@dataclass(eq=False, kw_only=True)
class WrongAnswerError(SwarmError):
    """The server answered, but not what was asked for."""

    url: str
    expected: str
    came: str

    def __str__(self) -> str:
        return f"{self.url} answered wrongly: expected {self.expected}, came {self.came:.300}"


def ask(
    endpoint: Endpoint,
    turns: Sequence[Turn],
    kind: type[AnswerT],
    *,
    max_tokens: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> AnswerT:
    """Asks for the next turn of a conversation, as JSON of a type.

    Args:
        endpoint: Whom to ask.
        turns: What was said so far.
        kind: A type that msgspec reads; an answer that is not of it is an error.
        max_tokens: Of the answer; one that is longer is cut, and then wrong.
        temperature: 0 asks for the likeliest answer.
        seed: For servers that have one. Few promise the same answer for the same seed.

    Raises:
        NoAnswerError: If the server cannot be reached, refuses, or takes too long.
        WrongAnswerError: If it answers with anything but JSON of that type.
    """
    name = getattr(kind, "__name__", "answer")
    form = {"name": name, "schema": plain_schema(kind), "strict": True}
    replied = post(
        endpoint,
        "chat/completions",
        {
            "model": endpoint.model,
            "messages": [msgspec.to_builtins(turn) for turn in turns],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "response_format": {"type": "json_schema", "json_schema": form},
        },
    )
    reply = read(endpoint, replied, _Reply)
    content = reply.choices[0].message.content if reply.choices else None
    if content is None:
        raise WrongAnswerError(url=endpoint.url, expected="a message", came="none")
    return read(endpoint, content.encode(), kind)


def post(endpoint: Endpoint, path: str, body: Mapping[str, object]) -> bytes:
    """Sends JSON to a path below the endpoint's address; returns what came back.

    Raises:
        NoAnswerError: If the server cannot be reached, refuses, or takes too long.
    """
    url = f"{endpoint.url.rstrip('/')}/{path}"
    headers = {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    request = urllib.request.Request(  # noqa: S310  the endpoint checked the scheme
        url, data=json.dumps(body).encode(), headers=headers
    )
    try:
        with urllib.request.urlopen(  # noqa: S310  as above
            request, timeout=endpoint.timeout_seconds
        ) as response:
            data: bytes = response.read()
    except urllib.error.HTTPError as refused:
        with refused:
            said = refused.read(300).decode(errors="replace")
        raise NoAnswerError(url=url, why=f"{refused.code} {refused.reason}: {said}") from refused
    except TimeoutError as late:
        why = f"nothing came for {endpoint.timeout_seconds:g} s"
        raise NoAnswerError(url=url, why=why) from late
    except (OSError, ValueError) as wrong:
        raise NoAnswerError(url=url, why=str(wrong)) from wrong
    return data


def read(endpoint: Endpoint, data: bytes, kind: type[AnswerT]) -> AnswerT:
    """Reads JSON of a type.

    Raises:
        WrongAnswerError: If it is none.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as wrong:
        name = getattr(kind, "__name__", "an answer")
        came = f"{data.decode(errors='replace'):.200} ({wrong})"
        raise WrongAnswerError(url=endpoint.url, expected=f"JSON of {name}", came=came) from wrong


def plain_schema(kind: object) -> dict[str, Any]:  # Any: JSON
    """Returns a type's JSON schema as servers take it most widely.

    Without references, defaults and titles, and with every field required and no other allowed.
    Numbers get bounds where the type has none: weak models write digits without end.
    """
    schema = msgspec.json.schema(kind)
    plain: dict[str, Any] = _plain(schema, schema.get("$defs", {}))
    return plain


def _plain(schema: Any, known: Mapping[str, Any]) -> Any:  # noqa: ANN401  JSON
    if isinstance(schema, list):
        return [_plain(one, known) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(known[schema["$ref"].rpartition("/")[2]], known)
    kept = {
        key: _plain(value, known)
        for key, value in schema.items()
        if key not in {"$defs", "title", "default", "description", "properties"}
    }
    if schema.get("type") in _BOUNDS:
        bound = _BOUNDS[schema["type"]]
        kept = {"minimum": -bound, "maximum": bound, **kept}
    if "properties" in schema:
        fields = {name: _plain(one, known) for name, one in schema["properties"].items()}
        kept |= {"properties": fields, "required": [*fields], "additionalProperties": False}
    return kept


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Reply(msgspec.Struct):
    """What we need of a chat completion."""

    choices: list[_Choice]

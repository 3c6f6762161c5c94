"""One encoding for wire and log: JSON objects tagged by message type.

The codec knows the types it was given, nothing more; ``discover`` finds them in packages, so a
new message file needs no registration.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import TypeVar, Union, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from swarm.errors import InvariantError, WireError
from swarm.kernel.message import Message

_LINE_BREAK = ord("\n")

MessageT = TypeVar("MessageT", bound=Message)


class Codec:
    """Encodes and decodes the messages of a closed set of types.

    Args:
        types: Message types with distinct tags.
    """

    def __init__(self, types: Iterable[type[Message]]) -> None:
        self.by_tag = {tag_of(t): t for t in sorted(types, key=tag_of)}
        self._decoder = msgspec.json.Decoder(
            cast("type[Message]", Union[tuple(self.by_tag.values())])  # noqa: UP007
        )
        self.encoder = msgspec.json.Encoder()

    def encode(self, message: Message) -> bytes:
        """Returns the JSON of one message, its tag under ``type``."""
        return self.encoder.encode(message)

    def encode_all(self, messages: Sequence[Message]) -> tuple[bytes, NDArray[np.int64]]:
        """Returns the JSON of messages, one after the other, with nothing in between.

        Returns:
            The bytes, and (messages + 1) offsets: where each begins, and the end.
        """
        lines = self.encoder.encode_lines(messages)
        # JSON escapes the line breaks of its strings, so those found here are the separators.
        ends = np.flatnonzero(np.frombuffer(lines, dtype=np.uint8) == _LINE_BREAK)
        offsets = np.zeros(len(messages) + 1, dtype=np.int64)
        offsets[1:] = ends - np.arange(len(messages))
        return lines.replace(b"\n", b""), offsets

    def decode(self, payload: bytes) -> Message:
        """Returns the message that the bytes hold.

        Raises:
            WireError: If they are not JSON, of an unknown type, or of the wrong shape.
        """
        try:
            return self._decoder.decode(payload)
        except (ValueError, RecursionError) as wrong:  # of which DecodeError is one
            raise WireError(
                where="message",
                expected="one of the known types",
                came=f"{payload!r:.200} ({wrong})",
            ) from wrong

    def decode_lines(self, lines: bytes | memoryview) -> list[Message]:
        """Returns the messages that lines of JSON hold, one a line.

        Raises:
            WireError: As ``decode``; which line it is is not said.
        """
        try:
            return self._decoder.decode_lines(lines)
        except (ValueError, RecursionError) as wrong:
            raise WireError(
                where="messages", expected="lines of known types", came=str(wrong)
            ) from wrong

    def decode_as(self, payload: bytes, kind: type[MessageT]) -> MessageT:
        """Returns the message that the bytes hold, which must be of that type."""
        message = self.decode(payload)
        if not isinstance(message, kind):
            raise WireError(where="message", expected=tag_of(kind), came=tag_of(type(message)))
        return message

    def json_schema(self) -> dict[str, object]:
        """Returns the JSON schema of every message, by tag: the wire's snapshot."""
        _, components = msgspec.json.schema_components(
            tuple(self.by_tag.values()), ref_template="#/{name}"
        )
        return dict(sorted(components.items()))


def tag_of(message_type: type[Message]) -> str:
    """Returns the wire name of a message type."""
    return str(message_type.__struct_config__.tag)


def discover(*packages: str, only: str = "") -> tuple[type[Message], ...]:
    """Finds the message types that the modules of some packages define.

    Args:
        packages: Dotted names of packages or modules; packages are walked.
        only: If given, only modules of this last name are imported (``"spec"``).

    Raises:
        InvariantError: If two types share a tag.
    """
    found: dict[str, type[Message]] = {}
    for module in _modules(packages, only):
        for value in vars(module).values():
            if not (isinstance(value, type) and issubclass(value, Message)):
                continue
            if value.__module__ != module.__name__ or value.__struct_config__.tag is None:
                continue
            tag = tag_of(value)
            if found.setdefault(tag, value) is not value:
                raise InvariantError(
                    rule="message tags are unique",
                    expected=f"one type tagged {tag}",
                    came=f"{found[tag].__module__} and {value.__module__}",
                )
    return tuple(found[tag] for tag in sorted(found))


def _modules(packages: Iterable[str], only: str) -> Iterator[ModuleType]:
    for name in packages:
        module = importlib.import_module(name)
        paths = getattr(module, "__path__", None)
        if paths is None:
            yield module
            continue
        for info in pkgutil.walk_packages(paths, prefix=f"{name}."):
            if not only or info.name.rpartition(".")[2] == only:
                yield importlib.import_module(info.name)

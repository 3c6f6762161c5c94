"""Rules every message must obey; a new file is covered without registration."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

import swarm.comms.messages
from swarm.kernel.message import ContractId, Message
from swarm.pipeline.wire import codec

MUTABLE = (list, dict, set, bytearray)
MESSAGE_TYPES = list(codec().by_tag.values())


def ids(message_type: type[Message]) -> str:
    return f"{message_type.__module__}.{message_type.__qualname__}"


def protocol(message_type: type[Message]) -> str:
    """The file of a protocol, the stage of a specification, the package of a kernel's record."""
    _, floor, *inner, file = message_type.__module__.split(".")
    if floor == "pipeline":
        return inner[0]
    return file if inner == ["messages"] else floor


def parts_of(hint: Any) -> Iterator[Any]:  # noqa: ANN401  a type hint
    yield get_origin(hint) or hint
    for inner in get_args(hint):
        yield from parts_of(inner)


@pytest.mark.parametrize("message_type", MESSAGE_TYPES, ids=ids)
def test_message_is_frozen_strict_documented_and_tagged_by_its_file(
    message_type: type[Message],
) -> None:
    config = message_type.__struct_config__

    assert config.frozen
    assert config.forbid_unknown_fields
    assert message_type.__doc__
    assert str(config.tag).split(".")[0] == protocol(message_type)


@pytest.mark.parametrize("message_type", MESSAGE_TYPES, ids=ids)
def test_message_holds_only_what_cannot_change(message_type: type[Message]) -> None:
    hints = get_type_hints(message_type)

    assert [
        name for name, hint in hints.items() for part in parts_of(hint) if part in MUTABLE
    ] == []


@pytest.mark.parametrize("message_type", MESSAGE_TYPES, ids=ids)
def test_a_field_named_contract_is_one(message_type: type[Message]) -> None:
    hints = get_type_hints(message_type)

    assert hints.get("contract", ContractId) is ContractId


@pytest.mark.parametrize(
    "name", [info.name for info in pkgutil.iter_modules(swarm.comms.messages.__path__)]
)
def test_a_protocol_file_defines_messages_and_says_who_tells_whom(name: str) -> None:
    module = importlib.import_module(f"swarm.comms.messages.{name}")

    own = [
        t for t in vars(module).values() if isinstance(t, type) and t.__module__ == module.__name__
    ]

    assert own
    assert all(issubclass(one, Message) for one in own)
    assert module.__doc__


def test_the_wire_union_builds() -> None:
    decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Union[*MESSAGE_TYPES])

    decoded = decoder.decode(b'{"type":"work.start"}')

    assert decoded == codec().decode(b'{"type":"work.start"}')

from itertools import pairwise

import msgspec
import pytest

from swarm.comms.codec import Codec, discover
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import work
from swarm.errors import InvariantError, WireError
from swarm.kernel.message import ContractId, Message
from swarm.pipeline.wire import codec, schema_hash


class Twin(Message, frozen=True, kw_only=True, tag="work.start"):
    """Shares a tag on purpose."""


def test_what_is_encoded_decodes_to_an_equal_message() -> None:
    message = cn.Refuse(contract=ContractId("ada-0/1"), reason='full of "quotes" \n and ☃')

    assert codec().decode(codec().encode(message)) == message


def test_messages_encoded_together_are_cut_where_each_would_end_alone() -> None:
    messages = [
        cn.Refuse(contract=ContractId("ada-0/1"), reason="a line\nand another ☃\n"),
        work.Start(),
        cn.Refuse(contract=ContractId("ada-0/2"), reason=""),
    ]

    payload, offsets = codec().encode_all(messages)

    parts = [payload[a:b] for a, b in pairwise(offsets.tolist())]
    assert parts == [codec().encode(message) for message in messages]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"type":"no.such"}',
        b'{"type":"contract_net.cancel","contract":"x"}',
        b'{"type":"work.start","extra":1}',
        b"\xff",
    ],
)
def test_what_is_not_a_message_is_refused_by_name(payload: bytes) -> None:
    with pytest.raises(WireError, match="expected one of the known types"):
        codec().decode(payload)


def test_a_message_of_another_type_than_wanted_names_both() -> None:
    with pytest.raises(WireError, match=r"expected contract_net\.cfp, came work\.start"):
        codec().decode_as(codec().encode(work.Start()), cn.CallForProposals)


def test_every_protocol_and_spec_is_found_without_registration() -> None:
    tags = set(codec().by_tag)

    assert {"contract_net.cfp", "kernel.noted", "pretraining.train", "ship.swapped"} <= tags
    assert len(schema_hash()) == 64


def test_two_types_with_one_tag_are_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "Twin", Twin, raising=False)
    monkeypatch.setattr(Twin, "__module__", work.__name__)

    with pytest.raises(InvariantError, match="message tags are unique"):
        discover("swarm.comms.messages")


def test_a_codec_knows_only_its_types() -> None:
    small = Codec([work.Start])

    assert small.decode(b'{"type":"work.start"}') == work.Start()
    with pytest.raises(WireError):
        small.decode(msgspec.json.encode(cn.RejectProposal(contract=ContractId("a/1"))))

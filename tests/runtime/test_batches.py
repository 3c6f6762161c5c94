import pytest

from swarm.comms.messages import gossip, queueing
from swarm.errors import WireError
from swarm.kernel.engine import Batch
from swarm.runtime.batches import decode_batch, encode_batch


def test_a_batch_survives_the_wire() -> None:
    batch: Batch = [
        (5, [(1, 2 << 32 | 7, 1, -1, gossip.Token(text="of and to")), (2, 9, 1, 3, _measured())]),
        (9, [(1, 3 << 32, 2, 4, gossip.Token(text="ünïcode"))]),
    ]

    assert decode_batch(encode_batch(batch)) == batch


@pytest.mark.parametrize("data", [b"", b"[[5, [[1, 2, 3]]]]", b'[[5,[[1,2,3,4,{"type":"no"}]]]]'])
def test_bytes_that_hold_no_batch_are_refused(data: bytes) -> None:
    with pytest.raises(WireError, match="batch between shards"):
        decode_batch(data)


def _measured() -> queueing.Measured:
    return queueing.Measured(customers=3, elapsed=10, area=4, stayed=5, waited=6)

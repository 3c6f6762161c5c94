"""The codec of the whole lab: kernel records, message protocols, and the specs of jobs."""

from functools import cache
from hashlib import sha256

import msgspec

from swarm.comms.codec import Codec, discover

SCHEMA_VERSION = 1
"""Raised by a change of the wire that older code cannot read."""


@cache
def codec() -> Codec:
    """Returns the codec over every message type that stands in the house."""
    here = discover("swarm.kernel.record", "swarm.comms.messages")
    jobs = discover("swarm.pipeline", only="spec")
    return Codec((*here, *jobs))


def schema_hash() -> str:
    """Returns a hash of the JSON schema of all messages: what a log was written with."""
    return sha256(msgspec.json.encode(codec().json_schema(), order="sorted")).hexdigest()

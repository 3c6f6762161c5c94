"""How fast decoders are, by a table: what ``kernel_timing=modelled`` goes by.

``python -m swarm bench decode -- --write-table`` measures the table once and writes ``speeds.json``
beside this file. Between two measured sizes or batches the nearer one counts, by their ratio. Only
float32 with compaction is measured over the whole grid; other settings are a factor on it, measured
at one place of the grid.
"""

import math
from functools import cache
from pathlib import Path

import msgspec

from swarm.errors import InvariantError
from swarm.pipeline.inference.spec import DecoderSpec

TABLE = Path(__file__).with_name("speeds.json")


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A median, and the least and most that was measured beside it."""

    middle: float
    low: float
    high: float


class Speed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place of the grid."""

    engine: str
    n_params: int
    batch: int
    rate: Interval
    """Bytes of answers per CPU-second, with float32 and compaction."""


class Factor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What other settings make of a rate."""

    engine: str
    dtype: str
    compact: bool
    factor: float


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All speeds, and on what they were measured."""

    facts: dict[str, str]
    speeds: tuple[Speed, ...]
    factors: tuple[Factor, ...]


def rate(decoder: DecoderSpec, n_params: int) -> Interval:
    """Returns the bytes per CPU-second that the table says, on the machine of the table.

    Args:
        decoder: Must have no problem.
        n_params: Size of the model, above 0.
    """
    return look_up(table(), decoder, n_params)


def look_up(speeds: Table, decoder: DecoderSpec, n_params: int) -> Interval:
    """Returns what ``rate`` does, from a given table."""
    decoder = decoder.normal()
    known = [one for one in speeds.speeds if one.engine == decoder.engine]
    factor = next(
        (
            one.factor
            for one in speeds.factors
            if (one.engine, one.dtype, one.compact)
            == (decoder.engine, decoder.dtype, decoder.compact)
        ),
        None,
    )
    if decoder.dtype == "float32" and decoder.compact:
        factor = 1.0
    if not known or factor is None:
        raise InvariantError(
            rule="the table of speeds", expected="every setting", came=str(decoder)
        )
    found = min(
        known,
        key=lambda one: (
            abs(math.log(one.n_params / n_params)),
            abs(math.log(one.batch / decoder.batch)),
            one.n_params,
            one.batch,
        ),
    ).rate
    return Interval(middle=found.middle * factor, low=found.low * factor, high=found.high * factor)


def ratio(base: Interval, candidate: Interval) -> Interval:
    """Returns how much faster the candidate is, as widely as the two intervals allow."""
    return Interval(
        middle=candidate.middle / base.middle,
        low=candidate.low / base.high,
        high=candidate.high / base.low,
    )


@cache
def table() -> Table:
    """Returns the table that comes with the package."""
    return msgspec.json.decode(TABLE.read_bytes(), type=Table)

"""What somebody asks about: a part of the ship, a version of one, or a message."""

from dataclasses import dataclass

import polars as pl

from swarm.analysis.run import Run
from swarm.analysis.wording import counted, listed
from swarm.errors import UsageError

MIN_PREFIX = 4
"""Digits of a version's hash that one has to give."""

_CHANGES = """
select min(seq) as seq, kind, payload->>'part' as part,
    coalesce(payload->>'old_hash', payload->>'from_hash') as old_hash,
    coalesce(payload->>'new_hash', payload->>'to_hash') as new_hash
from told where kind in ('ship.swapped', 'ship.rolled_back')
group by kind, payload, contract order by 1
"""
_PARTS = """
select unnest(from_json(payload->'parts', '["json"]'))->>0 as part from (
    select payload from told where kind = 'ship.announced' order by seq limit 1
) order by 1
"""
_TRIED = """
select count(distinct payload) as n, max(try_cast(payload->>'gain_bpb' as double)) as best
from told where kind = 'finding.trial' and payload->>'part' = $part
"""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the question is about."""

    headline: str
    seq: int | None
    """Where its chain of causes begins; None for a part that nobody changed."""
    part: str | None = None


def find_subject(run: Run, what: str) -> Subject:
    """Finds what a question is about.

    Args:
        run: An opened run.
        what: A part's name, the first digits of a version's hash, or a sequence number.

    Raises:
        UsageError: If there is no such thing; the sentence says what there is.
    """
    n_messages = int(run.sql("select count(*) from messages").item())
    number = what.removeprefix("#")
    if number.isdecimal() and int(number) < n_messages:
        return _message(run, int(number))
    changes = run.sql(_CHANGES)
    parts = run.sql(_PARTS)["part"].to_list()
    if what in parts:
        return _part(run, what, changes.filter(pl.col("part") == what))
    if len(what) >= MIN_PREFIX:
        found = changes.filter(pl.col("new_hash").str.starts_with(what))
        if len(found.unique("new_hash")) == 1:
            return _change(found.row(-1, named=True))
    raise UsageError(what=f"{what!r} is unknown: {_choices(parts, changes, n_messages)}")


def _message(run: Run, seq: int) -> Subject:
    query = "select sender, recipient, kind from messages where seq = $seq"
    (row,) = run.sql(query, {"seq": seq}).iter_rows(named=True)
    who = row["sender"]
    if row["recipient"] != who:
        who += f" -> {row['recipient']}"
    return Subject(headline=f"why message #{seq} ({row['kind']}, {who}) came about", seq=seq)


def _part(run: Run, part: str, changes: pl.DataFrame) -> Subject:
    if len(changes):
        earlier = changes["new_hash"].to_list()[:-1]
        subject = _change(changes.row(-1, named=True))
        if not earlier:
            return subject
        hint = f"{subject.headline}; before it came {listed([h[:8] for h in earlier], at_most=5)}"
        return Subject(headline=hint, seq=subject.seq, part=part)
    tried = run.sql(_TRIED, {"part": part}).row(0, named=True)
    text = f"{part} is as it was launched: no swap of it is in the log"
    if tried["n"]:
        text += f"; {counted(tried['n'], 'trial')} of it gained at most {tried['best']:.3f}"
        text += " bits per byte"
    return Subject(headline=text, seq=None, part=part)


def _change(row: dict[str, str | int]) -> Subject:
    part, old, new = str(row["part"]), str(row["old_hash"])[:8], str(row["new_hash"])[:8]
    how = "was swapped" if row["kind"] == "ship.swapped" else "was rolled back"
    return Subject(headline=f"why {part} {how}: {old} -> {new}", seq=int(row["seq"]), part=part)


def _choices(parts: list[str], changes: pl.DataFrame, n_messages: int) -> str:
    there = f"sequence numbers 0 to {n_messages - 1}" if n_messages else "no messages"
    if parts:
        versions = [f"{row['new_hash'][:8]} ({row['part']})" for row in changes.to_dicts()]
        swapped = f", the versions {listed(versions, at_most=8)}" if versions else ", no swaps"
        return f"the run has the parts {', '.join(parts)}{swapped}, and {there}"
    return f"the run has no ship, and {there}"

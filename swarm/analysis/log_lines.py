"""Rows of the message log for people: which ones, and how a line of them reads."""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import polars as pl
from polars import selectors

from swarm.analysis.run import Run
from swarm.errors import UsageError
from swarm.pipeline.wire import codec
from swarm.runtime.console import clock

PAYLOAD_WIDTH = 110
"""Characters of a payload on a line; ``--json`` gives all of them."""

_WHERE = """
from messages
where (coalesce($kind, kind) = kind or starts_with(kind, $kind || '.'))
    and coalesce($actor, sender, '') in (sender, recipient, '')
    and due >= $since
"""
_ROWS = f"select seq, id, due, phase, sender, recipient, kind, cause, contract, payload {_WHERE}"


def select_messages(
    run: Run, *, kind: str | None, actor: str | None, since: int, limit: int | None
) -> tuple[pl.DataFrame, int]:
    """Returns the first messages that fit, in canonical order, and how many fit in all.

    Args:
        run: The run.
        kind: A kind, or the protocol before the dot; None for all.
        actor: Sender or recipient; None for all.
        since: First tick of virtual time.
        limit: How many rows at most; None for all.

    Raises:
        UsageError: For a kind or an actor that nobody knows.
    """
    if kind is not None:
        _expect_kind(run, kind)
    if actor is not None:
        run.roster.rank(actor)
    chosen: dict[str, object] = {"kind": kind, "actor": actor, "since": since}
    n_rows = int(run.sql(f"select count(*) {_WHERE}", chosen).item())
    wanted = n_rows if limit is None else limit
    rows = run.sql(f"{_ROWS} order by seq limit $wanted", {**chosen, "wanted": wanted})
    return rows, n_rows


def message_lines(rows: pl.DataFrame) -> Iterator[str]:
    """Renders messages, one line each: time, number, who to whom, kind, payload shortened."""
    whos = [
        sender if sender == recipient else f"{sender} -> {recipient}"
        for sender, recipient in rows.select("sender", "recipient").iter_rows()
    ]
    numbers = [f"#{seq}" for seq in rows["seq"]]
    widths = [max(map(len, column), default=0) for column in (numbers, whos, rows["kind"])]
    lines = zip(rows.iter_rows(named=True), numbers, whos, strict=True)
    for row, number, who in lines:
        head = (number, who, row["kind"])
        aligned = "  ".join(text.ljust(width) for text, width in zip(head, widths, strict=True))
        yield f"{clock(row['due'])}  {aligned}  {shorten(row['payload'])}".rstrip()


def shorten(payload: str) -> str:
    """Returns a payload's fields without its kind, cut to ``PAYLOAD_WIDTH`` characters."""
    fields = json.loads(payload)
    del fields["type"]
    text = " ".join(f"{name}={_text(value)}" for name, value in fields.items())
    return text if len(text) <= PAYLOAD_WIDTH else text[: PAYLOAD_WIDTH - 3] + "..."


def table_text(frame: pl.DataFrame) -> str:
    """Renders the answer to a query, all of its rows and columns."""
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=-1,
        fmt_str_lengths=PAYLOAD_WIDTH,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
    ):
        return str(frame)


def message_objects(rows: pl.DataFrame) -> list[dict[str, Any]]:  # Any: values of a row
    """Returns messages as JSON values, payloads parsed."""
    return [{**row, "payload": json.loads(row["payload"])} for row in rows.iter_rows(named=True)]


def table_objects(frame: pl.DataFrame) -> list[dict[str, Any]]:  # Any: values of a row
    """Returns the answer to a query as JSON values; JSON has no NaN, so it becomes null."""
    return frame.with_columns(selectors.float().fill_nan(None)).to_dicts()


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _expect_kind(run: Run, kind: str) -> None:
    """A kind counts as known if this swarm has it, or this log, which may be older."""
    tags = {*codec().by_tag, *run.sql("select distinct kind from messages")["kind"]}
    known = sorted(tags | {tag.partition(".")[0] for tag in tags})
    if kind not in known:
        near = get_close_matches(kind, known, n=3)
        hint = f"did you mean {' or '.join(near)}" if near else f"there are {', '.join(known)}"
        raise UsageError(what=f"--kind {kind!r} is unknown; {hint}")

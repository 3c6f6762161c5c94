"""Changes what is on record, the way neither a crash nor a disk would: checksums hold."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from swarm.comms.log import SCHEMA, write_segment

FIRST = "0000-000000.parquet"

Rows: TypeAlias = list[dict[str, Any]]  # Any: values of a row


def read_rows(run: Path, segment: str = FIRST) -> Rows:
    """Returns the rows of a segment."""
    rows: Rows = pq.read_table(run / "messages" / segment).to_pylist()
    return rows


def rewrite(run: Path, change: Callable[[Rows], object], segment: str = FIRST) -> None:
    """Changes a segment's rows in place."""
    rows = read_rows(run, segment)
    change(rows)
    write_segment(pa.Table.from_pylist(rows, schema=SCHEMA), run / "messages" / segment)


def set_column(run: Path, row: int, column: str, value: object) -> None:
    """Changes one value of one row."""
    rewrite(run, lambda rows: rows[row].__setitem__(column, value))


def set_field(run: Path, row: int, field: str, value: object) -> None:
    """Changes one field of one payload."""
    message = json.loads(read_rows(run)[row]["payload"])
    text = json.dumps({**message, field: value}, separators=(",", ":"))
    set_column(run, row, "payload", text)


def set_manifest(run: Path, **changes: object) -> None:
    """Changes keys of the manifest."""
    path = run / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

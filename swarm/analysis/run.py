"""Reads a run folder: the manifest, SQL over the message log, and the tables people ask for.

Reading changes nothing in the folder, and works while the run goes on or after it was killed.
"""

import glob
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from swarm.analysis import tables
from swarm.analysis.segments import Segments, read_segments
from swarm.comms.journal import read_journal
from swarm.comms.log import SCHEMA
from swarm.errors import RunFailedError, SwarmError, UsageError, boundary
from swarm.kernel.roster import Roster
from swarm.runtime.run_folder import read_manifest

_RECORDS = pa.schema(
    [
        ("id", pa.int64()),
        ("request", pa.int64()),
        ("due", pa.int64()),
        ("rank", pa.int32()),
        ("sort", pa.string()),
        ("answer", pa.string()),
    ]
)


class Run:
    """One run, opened for reading; made by ``load_run``.

    The tables are computed when first asked for. Times are ticks of virtual time.

    Args:
        path: The run folder.
        manifest: What stands in ``manifest.json``.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:  # Any: JSON
        self.path = path
        self.manifest = manifest
        self.roster = Roster((str(role), int(n)) for role, n in manifest["roster"])
        self._problems: list[str] = []
        self._connection = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        self._open()

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for everything of this run that could not be read."""
        return tuple(self._problems)

    def sql(self, query: str, parameters: Mapping[str, object] | None = None) -> pl.DataFrame:
        """Answers a query in DuckDB's SQL.

        Views: ``messages`` (every column of the log; ``seq``, the rank in canonical order from 0;
        ``id``, what ``cause`` refers to; names of ``sender`` and ``recipient``), ``told`` (the
        same, with what carriers carried unwrapped), ``actors``, ``journal``, and the tables
        ``contracts leases jobs parts metrics``.

        Args:
            query: One statement.
            parameters: Values for ``$name`` in it.

        Raises:
            UsageError: If DuckDB refuses the query.
        """
        try:
            answer: duckdb.DuckDBPyRelation | None = self._connection.sql(query, params=parameters)
            if answer is None:
                raise UsageError(what="the query cannot be answered: it is empty")
            found: pl.DataFrame = answer.pl()
        except duckdb.Error as wrong:
            reason = str(wrong).partition("\n")[0]
            raise UsageError(what=f"the query cannot be answered: {reason}") from wrong
        return found

    @cached_property
    def messages(self) -> pl.DataFrame:
        """The whole log in canonical order, with ``seq`` and names; needs memory for all of it."""
        return self.sql(tables.MESSAGES)

    @cached_property
    def contracts(self) -> pl.DataFrame:
        """One row per call for proposals: who called for what, who won, price, span, outcome."""
        return self.sql("from contracts")

    @cached_property
    def leases(self) -> pl.DataFrame:
        """One row per request for GPUs: size, price, wait, and how it ended."""
        return self.sql("from leases")

    @cached_property
    def jobs(self) -> pl.DataFrame:
        """One row per job that an actor ordered, with the answer."""
        return self.sql("from jobs")

    @cached_property
    def parts(self) -> pl.DataFrame:
        """Swaps and rollbacks of the ship's parts in order, with gains in bits per byte."""
        return self.sql("from parts")

    @cached_property
    def metrics(self) -> pl.DataFrame:
        """One row per virtual hour: messages, jobs, GPUs leased, the ship's mean bits per byte."""
        return self.sql("from metrics")

    def _open(self) -> None:
        summary = self.manifest.get("summary", {})
        n_messages = int(summary.get("messages", 0))
        segments = read_segments(
            self.path / "messages",
            n_shards=int(self.manifest.get("host", {}).get("shards", 1)),
            is_sealed=n_messages > 0,
        )
        self._problems += segments.problems
        if self.manifest["status"] == "running":
            self._problems.append(
                "the run is still going on or was killed: only sealed segments are here,"
                f" {segments.n_rows:,} messages"
            )
        elif n_messages != segments.n_rows:
            self._problems.append(
                f"the log holds {segments.n_rows:,} of the {n_messages:,} messages that the"
                " manifest counts"
            )
        self._connection.register("actors", self._actors())
        self._connection.register("shifts", segments.shifts)
        self._connection.register("records", self._records())
        self._view_segments(segments)
        self._connection.execute(tables.VIEWS)
        for name, query in tables.TABLES.items():
            self._connection.execute(f"create view {name} as {query}")

    def _view_segments(self, segments: Segments) -> None:
        if not segments.files:
            empty = SCHEMA.empty_table()
            for name in ("file_index", "file_row_number"):
                empty = empty.append_column(name, pa.array([], pa.int64()))
            self._connection.register("segments", empty)
            return
        # Read as patterns, hence the escaping.
        names = [glob.escape(str(path)).replace("'", "''") for path in segments.files]
        listed = ", ".join(f"'{name}'" for name in names)
        query = f"select *, file_index, file_row_number from read_parquet([{listed}])"  # noqa: S608
        self._connection.execute(f"create view segments as {query}")

    def _actors(self) -> pa.Table:
        """Returns everybody by rank; the manifest's word counts where the file has another."""
        expected = self._roster_table()
        path = self.path / "actors.parquet"
        try:
            with boundary(RunFailedError, f"reading {path}"):
                found = pq.read_table(path, columns=expected.column_names)
            if not found.equals(expected):
                self._problems.append(f"{path} is damaged; names were taken from the manifest")
        except SwarmError as wrong:
            self._problems.append(f"{wrong}; names were taken from the manifest")
        return expected

    def _roster_table(self) -> pa.Table:
        numbers = [pa.array(range(n)) for _, n in self.roster.counts]
        roles = [pa.repeat(role, n) for role, n in self.roster.counts]
        names = [
            pc.binary_join_element_wise(role, number.cast(pa.string()), "-")
            for role, number in zip(roles, numbers, strict=True)
        ]
        columns = {
            "rank": pa.chunked_array([pa.array(range(len(self.roster)), pa.int32())]),
            "actor": pa.chunked_array(names, pa.string()),
            "role": pa.chunked_array(roles, pa.string()),
        }
        return pa.table(columns)

    def _records(self) -> pa.Table:
        try:
            records, wrong = read_journal(self.path / "journal")
        except SwarmError as unreadable:
            self._problems.append(str(unreadable))
            return _RECORDS.empty_table()
        if wrong is not None:
            self._problems.append(f"{wrong}; what follows was left out")
        rows = [
            {
                "id": one.id,
                "request": one.request,
                "due": one.due,
                "rank": one.rank,
                "sort": one.sort,
                "answer": bytes(one.answer).decode(),
            }
            for one in records
        ]
        return pa.Table.from_pylist(rows, schema=_RECORDS)


def load_run(path: str | Path) -> Run:
    """Opens a run folder.

    A run that still goes on, or was killed, opens as far as its log is complete. Segments that are
    damaged are left out and named in ``problems``.

    Raises:
        UsageError: If it is not a run folder, or a newer swarm wrote it.
    """
    folder = Path(path)
    return Run(folder, read_manifest(folder))

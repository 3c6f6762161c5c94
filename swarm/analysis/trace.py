"""A run as a trace for Perfetto (ui.perfetto.dev) or ``chrome://tracing``.

Three groups of tracks: *actors*, a slice for each message that an actor handles; *GPUs*, a slice
for each lease of each device; *jobs*, a slice from order to answer, in as many lanes as jobs were
under way at once. Flows lead from a message to what it caused. A trace's clock is virtual: one tick
is one second. Messages that an actor handles at one instant share its tick in the order handled.

The log knows no workers: which process did a job is the runtime's affair, so lanes stand for them.

Source: "Trace Event Format" (the JSON that Perfetto calls legacy): B/E slices, s/f flows, M names.
"""

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from swarm.analysis.run import Run
from swarm.analysis.wording import in_credits
from swarm.errors import UsageError, boundary

MAX_MESSAGES = 200_000
"""Messages in one trace; Perfetto opens the file of about 100 MB that they make in seconds."""

US_PER_TICK = 1_000_000
PAYLOAD_WIDTH = 300
"""Characters of a payload that go into a slice."""

ACTORS, GPUS, JOBS = 1, 2, 3
"""Numbers of the groups."""

TraceEvent = dict[str, Any]  # Any: JSON

_COUNT = "select count(*) from messages where due >= $since and due < $until"
_MESSAGES = """
with chosen as (
    select * from messages where due >= $since and due < $until order by seq limit $most
)
select seq, id, due, sender, recipient, dst, kind, cause, contract,
    substr(payload, 1, $width) as payload,
    row_number() over (partition by dst, due order by seq) - 1 as place,
    count(*) over (partition by dst, due) as n_places
from chosen order by dst, seq
"""
_LEASES = """
with ends as (select max(due) + 1 as over from messages)
select unnest(devices) as device, contract, holder, purpose, price, granted,
    coalesce(ended, over) as ended
from leases cross join ends
where granted is not null and granted < $until and coalesce(ended, over) > $since
order by device, granted, contract
"""
_JOBS = """
with ends as (select max(due) + 1 as over from messages)
select id, seq, actor, tag, ordered, coalesce(due, over) as due, result
from jobs cross join ends
where ordered < $until and coalesce(due, over) > $since order by ordered, seq
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a trace holds."""

    path: str
    n_messages: int
    n_slices: int
    n_flows: int
    until: int | None
    """Where messages were cut off, in ticks; None if all that were asked for are there."""

    def sentence(self) -> str:
        """Says it to people."""
        text = (
            f"{self.path}: {self.n_slices:,} slices and {self.n_flows:,} flows; open it in"
            " https://ui.perfetto.dev"
        )
        if self.until is not None:
            text += (
                f"\nonly the first {self.n_messages:,} messages are in it, up to"
                f" {self.until:,} s of virtual time; --since and --until choose others"
            )
        return text


def write_trace(
    run: Run,
    path: Path,
    *,
    since: int = 0,
    until: int | None = None,
    most: int = MAX_MESSAGES,
) -> Written:
    """Writes a run, or a stretch of it, as trace events.

    Args:
        run: An opened run.
        path: The file; replaced if it is there.
        since: First tick.
        until: Tick before which it ends; None for the end of the run.
        most: Messages at most; the first ones are kept.

    Raises:
        UsageError: If nothing of the run lies between the two, or the file cannot be written.
    """
    end = 2**62 if until is None else until
    window: dict[str, object] = {"since": since, "until": end}
    n_asked = int(run.sql(_COUNT, window).item())
    if not n_asked:
        raise UsageError(what=f"no message of {run.path} is due from {since} s on, as asked")
    rows = run.sql(_MESSAGES, {**window, "most": most, "width": PAYLOAD_WIDTH})
    cut = int(rows["due"].max()) + 1 if n_asked > most else None  # type: ignore[arg-type]
    if cut is not None:
        window["until"] = cut
    messages = list(rows.iter_rows(named=True))
    counts = {"B": 0, "s": 0}
    parts: Iterable[TraceEvent] = chain(
        _names(run), _message_events(messages), _lease_events(run, window), _job_events(run, window)
    )
    with boundary(UsageError, f"{path} cannot be written"), path.open("w") as file:
        file.write('{"displayTimeUnit":"ms","traceEvents":[\n')
        for at, event in enumerate(parts):
            if event["ph"] in counts:
                counts[event["ph"]] += 1
            file.write((",\n" if at else "") + json.dumps(event, separators=(",", ":")))
        file.write("\n]}\n")
    return Written(
        path=str(path),
        n_messages=len(messages),
        n_slices=counts["B"],
        n_flows=counts["s"],
        until=cut,
    )


def _names(run: Run) -> Iterator[TraceEvent]:
    groups = ((ACTORS, "actors"), (GPUS, "GPUs (leases)"), (JOBS, "jobs (lanes of virtual time)"))
    for pid, name in groups:
        yield _meta("process_name", pid, 0, name)
        order = {"args": {"sort_index": pid}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, **order}
    for rank in range(len(run.roster)):
        yield _meta("thread_name", ACTORS, rank + 1, run.roster.name(rank))


def _message_events(messages: list[dict[str, Any]]) -> Iterator[TraceEvent]:
    """Slices per actor, each with the flows that end and begin in it, ascending in time."""
    # Effects were sent from the slice of their cause: by id, where both are in the trace.
    present = {row["id"] for row in messages}
    led_to: dict[int, list[int]] = {}
    for row in messages:
        if row["cause"] in present:
            led_to.setdefault(row["cause"], []).append(row["id"])
    for row in messages:
        start, end = _slot(row)
        middle = (start + end) // 2
        base = {"pid": ACTORS, "tid": row["dst"] + 1}
        arguments = {key: row[key] for key in ("seq", "sender", "contract", "payload") if row[key]}
        head = {"name": row["kind"], "cat": "message", "args": arguments}
        yield {**base, "ph": "B", "ts": start, **head}
        if row["cause"] in present:
            yield {**base, "ph": "f", "bp": "e", "ts": start, **_flow(row["id"])}
        for effect in led_to.get(row["id"], ()):
            yield {**base, "ph": "s", "ts": middle, **_flow(effect)}
        yield {**base, "ph": "E", "ts": end}


def _slot(row: dict[str, Any]) -> tuple[int, int]:
    """Returns start and end of a message's slice, microseconds: its share of the actor's tick."""
    start = row["due"] * US_PER_TICK + row["place"] * US_PER_TICK // row["n_places"]
    end = row["due"] * US_PER_TICK + (row["place"] + 1) * US_PER_TICK // row["n_places"]
    return start, end


def _flow(number: int) -> dict[str, Any]:  # Any: JSON
    return {"name": "cause", "cat": "cause", "id": number}


def _lease_events(run: Run, window: dict[str, object]) -> Iterator[TraceEvent]:
    """One track per device; a lease that overlaps the next on its device is cut there."""
    rows = list(run.sql(_LEASES, window).iter_rows(named=True))
    tracks: dict[str, int] = {}
    for row, following in zip_longest(rows, rows[1:]):
        device = row["device"]
        if device not in tracks:
            tracks[device] = len(tracks) + 1
            yield _meta("thread_name", GPUS, tracks[device], device)
        end = row["ended"]
        if following is not None and following["device"] == device:
            end = min(end, following["granted"])
        details = {"contract": row["contract"], "purpose": row["purpose"]}
        if row["price"] is not None:
            details["price"] = f"{in_credits(row['price'])} credits"
        yield from _pair((GPUS, tracks[device]), (row["granted"], end), row["holder"], details)


def _job_events(run: Run, window: dict[str, object]) -> Iterator[TraceEvent]:
    """Jobs in lanes: each goes into the lowest lane that is free when it is ordered."""
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    n_lanes = 0
    for row in run.sql(_JOBS, window).iter_rows(named=True):
        while busy and busy[0][0] <= row["ordered"]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            n_lanes += 1
            lane = n_lanes
            yield _meta("thread_name", JOBS, lane, f"lane {lane}")
        end = max(row["due"], row["ordered"] + 1)
        heapq.heappush(busy, (end, lane))
        details = {"actor": row["actor"], "seq": row["seq"], "result": row["result"] or "none yet"}
        yield from _pair((JOBS, lane), (row["ordered"], end), row["tag"], details)


def _pair(
    track: tuple[int, int],
    span: tuple[int, int],
    name: str,
    details: dict[str, Any],  # Any: JSON
) -> Iterator[TraceEvent]:
    base = {"pid": track[0], "tid": track[1]}
    yield {**base, "ph": "B", "ts": span[0] * US_PER_TICK, "name": name, "args": details}
    yield {**base, "ph": "E", "ts": span[1] * US_PER_TICK}


def _meta(what: str, pid: int, tid: int, name: str) -> TraceEvent:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}

"""Events of a run: the pieces of work that an emergent pipeline is made of.

An event is a contract, a lease, a swap or what came instead of one, a grant, an answer of a mind,
or an announcement of the ship. Its stage says who does what for whom, so new roles and new tasks
are told apart without being known here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarm.analysis.causes import Causes
from swarm.analysis.run import Run
from swarm.pipeline.parts import STAGE_OF

Row = dict[str, Any]  # Any: values of a row

_TALKS = """
select min(t.seq) as seq, t.contract as contract,
    any_value(c.task) as task, any_value(c.initiator) as initiator, any_value(c.winner) as winner,
    any_value(c.price) as price, any_value(c.opened) as opened, any_value(c.closed) as closed
from told t join contracts c on c.contract = t.contract
where t.kind = 'contract_net.cfp' and c.winner is not null group by t.contract
"""
_LEASES = """
select min(t.seq) as seq, t.contract as contract,
    any_value(l.holder) as holder, any_value(l.price) as price, any_value(l.gpus) as gpus,
    any_value(l.granted) as opened, any_value(l.ended) as closed
from told t join leases l on l.contract = t.contract
where t.kind = 'lease.request' and l.granted is not null group by t.contract
"""
_SINGLES = """
select min(seq) as seq, list(seq) as seqs, kind, any_value(sender) as sender, min(due) as due,
    any_value(payload->>'part') as part, any_value(payload->>'reason') as reason
from told where kind in (
    'ship.swapped', 'ship.rolled_back', 'ship.declined', 'ship.announced', 'treasury.grant'
) group by kind, payload, contract
union all
select seq, [seq], kind, sender, due, payload->>'part', null
from messages where phase = 0 and kind like 'mind.%'
"""
ACTS = {"ship.swapped": "swap", "ship.rolled_back": "roll back", "ship.declined": "decline"}
"""What an integrator does about a finding that was proposed to it."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One piece of work."""

    seq: int
    """Of its first message."""
    stage: str
    opened: int
    closed: int | None
    price: int
    """Micro-credits; 0 where nothing was paid for it."""


def find_events(run: Run, causes: Causes) -> tuple[list[Event], dict[int, int], dict[int, int]]:
    """Finds the events of a run.

    Returns:
        The events in order; which one a conversation of ``causes`` belongs to; which one a message.
    """
    roles = dict(run.sql("select actor, role from actors").iter_rows())
    found: list[tuple[Event, Sequence[int]]] = []
    for row in run.sql(_TALKS).iter_rows(named=True):
        stage = f"{roles[row['winner']]}: {row['task']} for {roles[row['initiator']]}"
        found.append((_event(row, stage), ()))
    found += [
        (_event(row, f"{roles[row['holder']]}: GPU time"), ())
        for row in run.sql(_LEASES).iter_rows(named=True)
    ]
    for row in run.sql(_SINGLES).iter_rows(named=True):
        single = {**row, "price": 0, "opened": row["due"], "closed": row["due"]}
        found.append((_event(single, _single_stage(row, roles)), row["seqs"]))
    found.sort(key=lambda one: one[0].seq)
    of_seq = {seq: at for at, (_, seqs) in enumerate(found) for seq in seqs}
    of_talk = {causes.talk(e.seq): at for at, (e, seqs) in enumerate(found) if not seqs}
    return [event for event, _ in found], of_talk, of_seq


def _event(row: Row, stage: str) -> Event:
    return Event(
        seq=row["seq"],
        stage=stage,
        opened=row["opened"],
        closed=row["closed"],
        price=row["price"] or 0,
    )


def _single_stage(row: Row, roles: Mapping[str, str]) -> str:
    role = roles.get(row["sender"], row["sender"])
    match row["kind"]:
        case "ship.announced":
            return f"{role}: announce"
        case "treasury.grant":
            return f"{role}: grant for review" if _is_for_review(row) else f"{role}: income"
        case "ship.swapped" | "ship.rolled_back" | "ship.declined" as kind:
            return f"{role}: {ACTS[kind]} in {STAGE_OF.get(row['part'], 'no stage')}"
        case _:
            return f"{role}: idea"


def _is_for_review(row: Row) -> bool:
    return str(row["reason"]).startswith("review")

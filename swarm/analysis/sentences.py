"""Sentences about stretches of a chain of causes: who did what for whom, for how much."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from swarm.analysis.evidence import Evidence, Row
from swarm.analysis.log_lines import shorten
from swarm.analysis.wording import counted, credits_, in_credits, listed, span

Fields = dict[str, Any]  # Any: JSON


def sentence(rows: Sequence[Row], evidence: Evidence, *, is_last: bool) -> tuple[str, list[str]]:
    """Says what a stretch of one conversation was.

    Args:
        rows: Its messages, latest first.
        evidence: What stands beside the chain.
        is_last: Whether this is where the conversation began; its costs are told here.

    Returns:
        A sentence without a full stop, and further ones under it.
    """
    details = [*_results(rows, evidence)]
    contract = next((row["contract"] for row in rows if row["contract"]), None)
    for row in rows:
        say = _PHRASES.get(row["kind"])
        if say is not None:
            text = say(row, json.loads(row["payload"]), evidence)
            break
    else:
        text = _conversation(rows[0], contract, evidence)
    if contract is None and len(rows) > 2:
        details.append(f"and {len(rows) - 1:,} messages of this kind before it")
    if contract and is_last:
        details += _costs(contract, evidence)
    return text, details


def _conversation(head: Row, contract: str | None, evidence: Evidence) -> str:
    if lease := evidence.leases.get(contract or ""):
        price = f" for {credits_(lease['price'])}" if lease["price"] is not None else ""
        return f"{lease['holder']} had {counted(lease['gpus'], 'GPU')}{price}: {lease['purpose']}"
    if call := evidence.contracts.get(contract or ""):
        price = f" for {credits_(call['price'])}" if call["price"] is not None else ""
        return f"{call['winner'] or 'nobody'} did {call['task']} for {call['initiator']}{price}"
    if head["phase"] in (0, 3) and head["sender"] == head["recipient"]:
        return f"{head['sender']} had a job: {head['kind']}"
    to = "" if head["sender"] == head["recipient"] else f" told {head['recipient']}"
    return f"{head['sender']}{to} {head['kind']} {shorten(head['payload'])}".rstrip()


def _costs(contract: str, evidence: Evidence) -> list[str]:
    """Bids, prices, waiting and jobs of a conversation."""
    details = []
    if lease := evidence.leases.get(contract):
        waited = "" if lease["wait"] is None else f", waited {span(lease['wait'])}"
        held = ""
        if lease["granted"] is not None and lease["ended"] is not None:
            held = f"held {span(lease['ended'] - lease['granted'])}, "
        details.append(f"lease {contract}: {held}bid {in_credits(lease['bid'])}{waited}")
    if call := evidence.contracts.get(contract):
        took = "" if call["closed"] is None else f" after {span(call['closed'] - call['opened'])}"
        details.append(f"contract {contract}: {call['outcome']}{took}")
        details += _bids(evidence.bids.get(contract, ()))
    if jobs := evidence.jobs.get(contract):
        details.append(" and ".join(counted(n, f"{kind} job") for kind, n in sorted(jobs.items())))
    return details


def _bids(bids: Sequence[Row]) -> list[str]:
    by_kind: dict[str, list[Row]] = {}
    for bid in bids:
        by_kind.setdefault(bid["kind"].partition(".")[2], []).append(bid)
    asked, offers = by_kind.get("cfp", []), by_kind.get("propose", [])
    text = f"{len(asked)} asked"
    if offers:
        text += f", {len(offers)} proposed at {_prices(offers)}"
    if refused := by_kind.get("refuse", []):
        reasons = Counter(str(bid["reason"]) for bid in refused)
        text += f", {len(refused)} refused ({listed(sorted(reasons), at_most=2)})"
    return [text] if asked else []


def _prices(offers: Sequence[Row]) -> str:
    prices = sorted(offer["price"] for offer in offers)
    low, high = in_credits(prices[0]), in_credits(prices[-1])
    return f"{low} credits" if low == high else f"{low} to {high} credits"


def _results(rows: Sequence[Row], evidence: Evidence) -> list[str]:
    """What a trial that ended here had gained."""
    found = [evidence.trials[row["id"]] for row in rows if row["id"] in evidence.trials]
    return [
        f"the trial of {one['part']} failed: {one['failed']}"
        if one["failed"]
        else f"the trial of {one['part']} gained {one['gain_bpb']:.3f} bits per byte"
        for one in found
    ]


def _swapped(row: Row, said: Fields, _: Evidence) -> str:
    return (
        f"{row['sender']} swapped {said['part']}: {said['old_hash'][:8]} ->"
        f" {said['new_hash'][:8]}, made by {said['author']}, replicated by {said['replicator']},"
        f" gain {_gain(said)}"
    )


def _rolled_back(row: Row, said: Fields, _: Evidence) -> str:
    change = f"{said['from_hash'][:8]} -> {said['to_hash'][:8]}"
    return f"{row['sender']} rolled {said['part']} back: {change}, because {said['reason']}"


def _declined(row: Row, said: Fields, _: Evidence) -> str:
    return f"{row['sender']} declined a new {said['part']}: {said['reason']}"


def _proposed(row: Row, said: Fields, _: Evidence) -> str:
    made = f"the {said['part']} of {said['author']}"
    return f"{row['sender']} had replicated {made} and proposed it: gain {_gain(said)}"


def _announced(row: Row, said: Fields, _: Evidence) -> str:
    scores = said.get("base_bpb") or ()
    mean = f", {sum(scores) / len(scores):.3f} bits per byte" if scores else ""
    return f"{row['sender']} announced the ship, generation {said['generation']}{mean}"


def _sought(row: Row, said: Fields, _: Evidence) -> str:
    return (
        f"{row['sender']} asked {row['recipient']} for {credits_(said['amount'])} to have its"
        f" {said['part']} reviewed: the trial gained {said['gain_bpb']:.3f} bits per byte"
    )


def _need(row: Row, said: Fields, evidence: Evidence) -> str:
    weights = dict(said["weights"])
    share = ""
    if evidence.part in weights:
        share = f", {evidence.part} has {weights[evidence.part] / 10:g} % of the income"
    text = f"{row['sender']} announced the needs of epoch {said['epoch']}{share}"
    return f"{text}, a swap earns {credits_(said['reward'])}"


def _credited(row: Row, said: Fields, _: Evidence) -> str:
    return f"{row['recipient']} received {credits_(said['amount'])} for {said['reason']}"


def _granted(_row: Row, said: Fields, _: Evidence) -> str:
    return f"{said['to']} was granted {credits_(said['amount'])} for {said['reason']}"


def _answered(row: Row, said: Fields, _: Evidence) -> str:
    about = f" about {said['part']}" if "part" in said else ""
    reason = f": {said['reason']}" if said.get("reason") else ""
    return f"the mind of {row['recipient']} answered{about}{reason}"


def _trial(row: Row, said: Fields, _: Evidence) -> str:
    result = f"failed: {said['failed']}" if said["failed"] else f"gained {said['gain_bpb']:.3f}"
    return f"{row['sender']} told {row['recipient']} of a trial of {said['part']} that {result}"


def _start(row: Row, _said: Fields, _: Evidence) -> str:
    return f"the run began for {row['recipient']}"


def _gain(said: Fields) -> str:
    low, high = said["gain_low_bpb"], said["gain_high_bpb"]
    runs = counted(said["n_replications"], "run")
    return f"{said['gain_bpb']:.3f} [{low:.3f}, {high:.3f}] bits per byte on {runs}"


_PHRASES: Mapping[str, Callable[[Row, Fields, Evidence], str]] = {
    "ship.swapped": _swapped,
    "ship.rolled_back": _rolled_back,
    "ship.declined": _declined,
    "ship.proposed": _proposed,
    "ship.announced": _announced,
    "need.review_sought": _sought,
    "need.announced": _need,
    "treasury.credited": _credited,
    "treasury.grant": _granted,
    "mind.part_proposed": _answered,
    "finding.trial": _trial,
    "work.start": _start,
}
"""Kinds that say themselves; any other is told by its conversation, or by its fields."""

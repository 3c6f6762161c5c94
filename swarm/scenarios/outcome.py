"""What a research lab's run came to: the ledger, the audit, the closing table.

The sealed shard and the sealed tasks steered the run; ``audit.py`` measures anew, once, after it.
"""

import json
import statistics
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from rich.console import Console as Terminal
from rich.table import Table

from swarm.comms.messages import ship
from swarm.comms.messages.subcontract import Carry
from swarm.errors import RunFailedError, boundary
from swarm.kernel.message import Message
from swarm.pipeline.disciplines import DISCIPLINES
from swarm.pipeline.wire import codec
from swarm.runtime.launch import Outcome, Perform, Result
from swarm.scenarios.audit import audit
from swarm.scenarios.research_lab import ResearchLab

WATCH = ("ship.announced", "ship.swapped", "ship.rolled_back", "subcontract.carry")

MessageT = TypeVar("MessageT", bound=Message)
ChangeT = TypeVar("ChangeT", ship.Swapped, ship.RolledBack)

Ship = dict[str, str]


def finish(config: ResearchLab, corpus: str, result: Result, perform: Perform) -> dict[str, object]:
    """Sums a run up: writes ``ledger.json`` and returns the facts for the summary."""
    told = [(due, opened(message)) for due, message in result.watched]
    ships = [m for _, m in told if isinstance(m, ship.Announced)]
    if not ships and result.is_at_rest:
        raise RunFailedError(
            what="the lab came to rest before it had a ship: generation 0 could not be measured;"
            " see notes/integrator-0.md, and raise money.integrator_capital or the pool"
        )
    if not ships:
        return {"parts_left_of_original": None, "swapped_parts": []}
    swaps = _once([(due, m) for due, m in told if isinstance(m, ship.Swapped)])
    undone = _once([(due, m) for due, m in told if isinstance(m, ship.RolledBack)])
    ships.sort(key=lambda one: one.generation)
    original, final = dict(ships[0].parts), dict(ships[-1].parts)
    ledger = [_entry(due, m) for due, m in swaps] + [_entry(due, m) for due, m in undone]
    ledger.sort(key=lambda entry: entry["tick"])
    facts: dict[str, object] = {
        "swaps": len(swaps),
        "rollbacks": len(undone),
        "parts_left_of_original": sum(original[part] == final[part] for part in original),
        "swapped_parts": sorted(part for part in original if original[part] != final[part]),
        "sealed_bpb_generation_0": round(statistics.mean(ships[0].base_bpb), 6),
        "sealed_bpb_final": round(statistics.mean(ships[-1].base_bpb), 6),
    }
    if config.work.audit_seeds:
        facts["audit"] = audit(config, corpus, original, final, perform)
    whole = {"original": original, "final": final, "entries": ledger, **facts}
    with boundary(RunFailedError, f"writing the ledger in {result.path}"):
        (result.path / "ledger.json").write_text(json.dumps(whole, indent=1) + "\n")
    return {**facts, "ledger": ledger}


def tell(outcome: Outcome, terminal: Terminal) -> None:
    """Shows the closing table."""
    facts = outcome.summary
    table = Table(title="the ship", title_justify="left")
    for name in ("part", "old", "new", "gain", "author", "replications"):
        table.add_column(name)
    for entry in facts.get("ledger", []):
        table.add_row(*_row(entry))
    if table.row_count:
        terminal.print(table)
    left = facts.get("parts_left_of_original")
    if left is not None:
        terminal.print(
            f"{facts['swaps']} swaps, {facts['rollbacks']} rollbacks, {left} of 14 parts are the"
            f" original; sealed {facts['sealed_bpb_generation_0']:.3f} ->"
            f" {facts['sealed_bpb_final']:.3f} bits per byte",
            highlight=False,
        )
    if audit_facts := facts.get("audit"):
        terminal.print(
            f"audit: generation 0 {audit_facts['generation_0_bpb']:.3f}, final"
            f" {audit_facts['final_bpb']:.3f}, gain {audit_facts['gain_bpb']:.3f}"
            f" +- {audit_facts['standard_error_bpb']:.3f} bits per byte"
            f" ({audit_facts['seeds']} fresh seeds an arm)",
            highlight=False,
        )
        terminal.print(
            f"audit of post-training: pass@1 {audit_facts['generation_0_pass_1']:.3f} ->"
            f" {audit_facts['final_pass_1']:.3f}, gain {audit_facts['gain_pass_1']:.3f}"
            f" +- {audit_facts['standard_error_pass_1']:.3f}",
            highlight=False,
        )


def opened(message: Message) -> Message:
    """Returns what was carried, if it is about the ship; any other message as it is."""
    if isinstance(message, Carry) and message.payload.startswith('{"type":"ship.'):
        return codec().decode(message.payload.encode())
    return message


def _once(told: Sequence[tuple[int, ChangeT]]) -> list[tuple[int, ChangeT]]:
    """Keeps the first of each change: several actors are told of it, at their own times."""
    first: dict[str, tuple[int, ChangeT]] = {}
    for due, message in told:
        first.setdefault(message.contract, (due, message))
    return list(first.values())


def _entry(due: int, message: ship.Swapped | ship.RolledBack) -> dict[str, Any]:  # Any: JSON
    kind = "swap" if isinstance(message, ship.Swapped) else "rollback"
    return {"tick": due, "kind": kind, **msgspec.to_builtins(message)}


def _row(entry: dict[str, Any]) -> Sequence[str]:  # Any: JSON
    if entry["kind"] == "rollback":
        return entry["part"], entry["from_hash"][:8], entry["to_hash"][:8], "rolled back", "", ""
    unit = DISCIPLINES[entry["part"]].unit
    low, high = entry["gain_low_bpb"], entry["gain_high_bpb"]
    gain = f"{entry['gain_bpb']:.3f} [{low:.3f}, {high:.3f}] {unit}"
    return (
        entry["part"],
        entry["old_hash"][:8],
        entry["new_hash"][:8],
        gain,
        entry["author"],
        str(entry["n_replications"]),
    )

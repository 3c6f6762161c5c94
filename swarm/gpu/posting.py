"""Posting: where a DevOps actor works, what it may decide, and what it remembers."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from swarm.comms import contracts
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import incident
from swarm.comms.messages import treasury as money
from swarm.gpu.diagnosis import Rule, Verdict
from swarm.gpu.inventory import InventoryState
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits

NegotiationMessage: TypeAlias = (
    cn.CallForProposals | cn.Propose | cn.Refuse | cn.AcceptProposal | cn.RejectProposal
    | cn.InformResult | cn.Cancel | cn.BiddingClosed | cn.Overdue | money.Secured | money.Denied
)  # fmt: skip
OperationsMessage: TypeAlias = (
    incident.Alarm | incident.DiagnosisDue | incident.HumanDue | incident.FreeDue
    | incident.Examined | incident.Rebooted | incident.Delivered | incident.Running | incident.Ended
    | money.Credited | NegotiationMessage
)  # fmt: skip


class Terms(msgspec.Struct, frozen=True):
    """What a colleague needs to know."""

    symptoms: tuple[incident.Symptom, ...]
    attempts: int


class Case(msgspec.Struct):
    """One incident."""

    contract: ContractId
    run: ActorId
    symptoms: list[incident.Symptom]
    attempts: int
    stage: Literal[
        "waiting",
        "calling",
        "queued",
        "hired",
        "diagnosing",
        "human",
        "testing",
        "short",
        "restarting",
    ] = "waiting"
    verdict: Verdict | None = None
    leave: tuple[int, ...] = ()
    is_by_human: bool = False
    by: ActorId = ActorId("")


class RunView(msgspec.Struct):
    """What the one on duty knows of a run."""

    nodes: int
    interruptions: int = 0
    closed_at: int = -1
    attempts: int = 0
    last_action: str = ""
    is_over: bool = False


class OperationsState(msgspec.Struct):
    """Everything that operations remember."""

    inventory: InventoryState
    runs: dict[ActorId, RunView]
    cases: dict[ContractId, Case] = {}
    backlog: list[ContractId] = []
    busy: list[ContractId] = []
    """What takes this actor's attention."""
    calls: dict[ContractId, contracts.Call] = {}
    called: dict[ContractId, ContractId] = {}
    """The incident that a call is about."""
    jobs: dict[ContractId, contracts.Job] = {}
    """Diagnoses done for others."""
    n_calls: int = 0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What devops may decide."""

    table: tuple[Rule, ...]
    evicts_lemons: bool = True
    chooses_interval: bool = True
    """Whether the checkpoint interval follows the failures seen; otherwise it stays as it was."""
    assumed_per_1000_node_days: float = 6.5
    """What to expect of a run that has not failed yet; counts as one failure seen."""


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """Where a DevOps actor works, and with whom."""

    is_on_duty: bool
    """Whether alarms come to this one, or it only helps."""
    colleagues: tuple[ActorId, ...]
    """Who may be hired."""
    hall: ActorId
    """The fault source: where nodes are."""
    monitor: ActorId
    treasury: ActorId
    site: Site
    policy: Policy
    budget: Credits
    """For repairs, new nodes and colleagues; minted once, by the one on duty."""


def new_state(runs: Sequence[tuple[ActorId, int]], spares: Sequence[int]) -> OperationsState:
    """Returns the state at the beginning: (run, nodes) of all runs, and the nodes left over."""
    return OperationsState(
        inventory=InventoryState(spares=list(spares)),
        runs={run: RunView(nodes=nodes) for run, nodes in runs},
    )

"""Incidents: how a fault shows, who hears of it, and what is done about it.

fault_source --FaultDue | WorkDue--> fault_source      what will break, what the hall has finished
fault_source --Struck--> run                           the physics of a fault, as the run suffers it
fault_source, run --Symptom--> monitor                 by exception; a real monitor can send these
monitor --RuleDue--> monitor                           a rule's waiting time is over
monitor --Alarm--> devops                              symptoms of one run that belong together
devops --DiagnosisDue | HumanDue | FreeDue--> devops   its own timers
devops --Examine | Reboot--> fault_source --Examined | Rebooted--> devops
devops --Order--> fault_source --Delivered--> devops   a repair or a new node, once it is paid for
devops --Restart--> run                                with other nodes, another checkpoint interval
run --Running--> fault_source, monitor, devops         it computes again
run --CheckpointDue | SavedDue | LossDue | RestoredDue | EndDue--> run      its own timers
devops --Closed--> monitor                             who dealt with it, and how
run --Ended--> fault_source, monitor, devops           what the run came to

``FaultDue`` and ``Struck`` are the truth; nobody who diagnoses is told of them.
"""

from typing import Literal

from swarm.kernel.message import ActorId, ContractId, Message
from swarm.units import Credits, Ticks

NO_NODE = -1
"""The node of a symptom that names none."""


class FaultDue(Message, frozen=True, kw_only=True, tag="incident.fault_due"):
    """The fault source's own timer: this fault happens now, if it meets a node or run in use."""

    fault: int
    source: str
    """The process that drew it: ``nodes``, ``lemons``, ``storms`` or the name of a run."""
    category: str
    node: int
    signature: int
    """Which of the category's ways to show this one takes."""


class WorkDue(Message, frozen=True, kw_only=True, tag="incident.work_due"):
    """The fault source's own timer: work on a node is done."""

    contract: ContractId
    work: Literal["examine", "reboot", "repair", "new"]
    node: int
    is_thorough: bool = False


class Struck(Message, frozen=True, kw_only=True, tag="incident.struck"):
    """A fault reaches the run: its processes end, stand still, slow down or compute nonsense."""

    run: ActorId
    fault: int
    effect: Literal["crash", "hang", "slow", "corrupt"]
    share: float = 0.0
    """Throughput that is left, of 1."""
    is_again: bool = False
    """Whether the run has met this very fault before: nobody removed it."""


class Symptom(Message, frozen=True, kw_only=True, tag="incident.symptom"):
    """What an instrument shows of a run, beyond the ordinary."""

    run: ActorId
    kind: Literal[
        "exited",
        "heartbeat_lost",
        "xid",
        "link_down",
        "traffic_stopped",
        "throughput_low",
        "loss_not_finite",
        "hot",
        "host_notice",
        "disk_error",
        "machine_check",
    ]
    node: int = NO_NODE
    value: float = 0.0
    """The code of an XID, the share of the usual throughput; 0 for the others."""


class RuleDue(Message, frozen=True, kw_only=True, tag="incident.rule_due"):
    """The monitor's own timer: look whether the run still shows what it showed."""

    run: ActorId
    rule: Literal["gather", "heartbeat", "hang", "slow"]
    since: Ticks


class Alarm(Message, frozen=True, kw_only=True, tag="incident.alarm"):
    """Something is wrong with a run; more symptoms may follow under the same contract."""

    contract: ContractId
    run: ActorId
    symptoms: tuple[Symptom, ...]


class DiagnosisDue(Message, frozen=True, kw_only=True, tag="incident.diagnosis_due"):
    """The own timer of who diagnoses: the symptoms have been looked through."""

    contract: ContractId


class HumanDue(Message, frozen=True, kw_only=True, tag="incident.human_due"):
    """The own timer of who called a human: they have come."""

    contract: ContractId


class FreeDue(Message, frozen=True, kw_only=True, tag="incident.free_due"):
    """The own timer of who was at work: there is attention for something new."""

    contract: ContractId


class Examine(Message, frozen=True, kw_only=True, tag="incident.examine"):
    """Test a node, or the whole gang of a run if no node is named."""

    contract: ContractId
    run: ActorId
    node: int = NO_NODE
    is_thorough: bool = False
    """Whether a human looks, who overlooks nothing."""


class Examined(Message, frozen=True, kw_only=True, tag="incident.examined"):
    """These failed the test; none of the others did."""

    contract: ContractId
    run: ActorId
    node: int
    failed: tuple[int, ...]


class Reboot(Message, frozen=True, kw_only=True, tag="incident.reboot"):
    """Start a node that is out of service anew."""

    contract: ContractId
    node: int


class Rebooted(Message, frozen=True, kw_only=True, tag="incident.rebooted"):
    """The node answers again, which does not mean that it is well."""

    contract: ContractId
    node: int


class Order(Message, frozen=True, kw_only=True, tag="incident.order"):
    """Repair this node, or put a new machine in its place; begins when the price is in escrow."""

    contract: ContractId
    work: Literal["repair", "new"]
    node: int


class Delivered(Message, frozen=True, kw_only=True, tag="incident.delivered"):
    """The node is ready for service."""

    contract: ContractId
    node: int
    cost: Credits


class Restart(Message, frozen=True, kw_only=True, tag="incident.restart"):
    """Stop what still runs and start again."""

    contract: ContractId
    run: ActorId
    leave: tuple[int, ...] = ()
    join: tuple[int, ...] = ()
    checkpoint: Literal["save", "last", "clean"] = "last"
    """Where from: one that is saved now, the last one, or the last from before the trouble."""
    interval_s: int = 0
    """Seconds of computing between checkpoints from now on; 0 leaves them as they are."""
    delay_s: int = 0
    """Seconds until the joining nodes are ready."""


class Running(Message, frozen=True, kw_only=True, tag="incident.running"):
    """The run computes again, on this gang."""

    run: ActorId
    contract: ContractId
    """The incident that stopped it; empty at the first start."""
    leave: tuple[int, ...] = ()
    join: tuple[int, ...] = ()


class Closed(Message, frozen=True, kw_only=True, tag="incident.closed"):
    """The run is up again: what was thought to be wrong, and who dealt with it."""

    contract: ContractId
    run: ActorId
    diagnosis: str
    action: str
    is_by_human: bool
    by: ActorId


class CheckpointDue(Message, frozen=True, kw_only=True, tag="incident.checkpoint_due"):
    """The run's own timer: begin to save."""

    start: int
    """Which start of the run it belongs to; timers of earlier ones are void."""


class SavedDue(Message, frozen=True, kw_only=True, tag="incident.saved_due"):
    """The run's own timer: the checkpoint is written."""

    start: int


class LossDue(Message, frozen=True, kw_only=True, tag="incident.loss_due"):
    """The run's own timer: the loss is no number any more."""

    start: int


class RestoredDue(Message, frozen=True, kw_only=True, tag="incident.restored_due"):
    """The run's own timer: processes are up and the checkpoint is loaded."""

    start: int


class EndDue(Message, frozen=True, kw_only=True, tag="incident.end_due"):
    """The run's own timer: its time is over."""


class Ended(Message, frozen=True, kw_only=True, tag="incident.ended"):
    """What a run came to."""

    run: ActorId
    nodes: int
    elapsed_s: int
    effective_s: float
    """Seconds' worth of training, at full speed, that were kept."""
    saving_s: int
    """Spent on writing checkpoints."""
    down_s: int
    """From a stop, or from the order to restart, until computing again."""
    redone_s: float
    """Computed, and lost with what had not been saved."""
    starts: int
    interval_s: int
    """The last interval between checkpoints."""

"""NodeMonitor: turns what instruments show by exception into alarms.

Nodes do not report that they are well; they are missed. So a cluster of thousands of nodes costs
one message for each thing out of the ordinary, not one for each node and minute. A monitor of real
machines can stand in its place: it would send the same alarms.

Protocol  ``comms/messages/incident.py``, monitor's side.
States    per run: quiet -> gathering (symptoms that belong together) -> open (an alarm was raised)
          -> quiet when it is closed. What must last before it counts (a silent node, a silent
          fabric, low throughput) waits for its rule; a run that computes again clears it.
Asks      nobody.
Raises    nothing.
"""

from typing import Literal, TypeAlias, assert_never

import msgspec

from swarm.comms.messages import incident, work
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import Ticks

Inbox: TypeAlias = (
    work.Start | incident.Symptom | incident.RuleDue | incident.Running | incident.Closed
    | incident.Ended
)  # fmt: skip


class Watch(msgspec.Struct):
    """What is known of one run."""

    started: int = 0
    """Since when it has been computing: what was seen before is void."""
    waiting: list[tuple[str, incident.Symptom]] = []
    """(rule, symptom) that must last before they count."""
    gathered: list[incident.Symptom] = []
    open: ContractId = ContractId("")
    is_over: bool = False


class NodeMonitorState(msgspec.Struct):
    """All runs, and how many alarms were raised."""

    watches: dict[ActorId, Watch] = {}
    alarms: int = 0


class NodeMonitor:
    """Watches the nodes and runs of one cluster.

    Args:
        on_duty: Who is told of alarms.
        site: Timeouts and windows.
    """

    def __init__(self, *, on_duty: ActorId, site: Site) -> None:
        self._on_duty = on_duty
        self._site = site
        self._lasting: dict[str, tuple[Literal["heartbeat", "hang", "slow"], int]] = {
            "heartbeat_lost": ("heartbeat", site.heartbeat_timeout_s),
            "traffic_stopped": ("hang", site.hang_rule_s),
            "throughput_low": ("slow", site.slow_window_s),
        }
        self.state = NodeMonitorState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case work.Start():
                pass
            case incident.Symptom():
                self._see(self._watch(message.run), message, ctx)
            case incident.RuleDue(rule="gather"):
                self._raise_alarm(message.run, ctx)
            case incident.RuleDue():
                self._confirm(self._watch(message.run), message, ctx)
            case incident.Running():
                watch = self._watch(message.run)
                watch.started = ctx.now
                watch.waiting, watch.gathered = [], []
            case incident.Closed():
                watch = self._watch(message.run)
                if watch.open == message.contract:
                    watch.open = ContractId("")
            case incident.Ended():
                self._watch(message.run).is_over = True
            case _:
                assert_never(message)

    def _see(self, watch: Watch, symptom: incident.Symptom, ctx: Context) -> None:
        if watch.is_over:
            return
        lasting = self._lasting.get(symptom.kind)
        if lasting is None:
            self._gather(watch, symptom, ctx)
            return
        rule, wait_s = lasting
        watch.waiting.append((rule, symptom))
        ctx.after(Ticks(wait_s), incident.RuleDue(run=symptom.run, rule=rule, since=ctx.now))

    def _confirm(self, watch: Watch, due: incident.RuleDue, ctx: Context) -> None:
        if due.since < watch.started or watch.is_over:
            return
        lasted = [symptom for rule, symptom in watch.waiting if rule == due.rule]
        watch.waiting = [one for one in watch.waiting if one[0] != due.rule]
        for symptom in lasted:
            self._gather(watch, symptom, ctx)

    def _gather(self, watch: Watch, symptom: incident.Symptom, ctx: Context) -> None:
        if not watch.gathered:
            due = incident.RuleDue(run=symptom.run, rule="gather", since=ctx.now)
            ctx.after(Ticks(self._site.gather_s), due)
        watch.gathered.append(symptom)

    def _raise_alarm(self, run: ActorId, ctx: Context) -> None:
        watch = self._watch(run)
        if not watch.gathered or watch.is_over:
            return
        if not watch.open:
            self.state.alarms += 1
            watch.open = ContractId(f"{ctx.me}/{self.state.alarms}")
        # By content: symptoms of one instant come in the order of their senders' ranks.
        symptoms = sorted(watch.gathered, key=lambda one: (one.kind, one.node, one.value))
        watch.gathered = []
        alarm = incident.Alarm(contract=watch.open, run=run, symptoms=tuple(symptoms))
        ctx.tell(self._on_duty, alarm)

    def _watch(self, run: ActorId) -> Watch:
        return self.state.watches.setdefault(run, Watch())

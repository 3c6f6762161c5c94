"""FaultSource: the physics of a machine hall. It makes nodes fail and shows only symptoms.

What is really broken stands in its state and in its own timers; to others it tells what a run
suffers and what instruments show. It also is the hall in which nodes are tested, rebooted and
repaired, since only there it is known what such work meets.

Protocol  ``comms/messages/incident.py``, fault source's side; ``treasury.py``, payee's side.
States    per node: sound or broken; in a run or not. Every process of faults (nodes, lemons,
          storms, each run's own) has one timer, drawn from streams of its own until the horizon:
          what devops do never shifts what will break. A fault that meets a node out of service,
          or one that is broken already, comes to nothing.
Asks      nobody.
Raises    nothing.
"""

from collections.abc import Sequence
from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import incident, work
from swarm.comms.messages import treasury as money
from swarm.comms.messages.incident import NO_NODE
from swarm.gpu.faults.categories import CATEGORIES, Signature
from swarm.gpu.faults.hazard import Hazard, JobFailures
from swarm.gpu.faults.process import Process, job_side, lemon_nodes, sound_nodes, storms
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import DAY, Credits, Ticks

Inbox: TypeAlias = (
    work.Start | incident.FaultDue | incident.WorkDue | incident.Running | incident.Ended
    | incident.Examine | incident.Reboot | incident.Order | money.Secured | money.Credited
)  # fmt: skip

_NOBODY = -1


class Broken(msgspec.Struct, frozen=True):
    """What is wrong with a node."""

    fault: int
    category: str
    signature: int


class FaultSourceState(msgspec.Struct):
    """The truth."""

    faults: int = 0
    places: list[int] = []
    """By node: the index of the run that it works for, -1 for none."""
    broken: dict[int, Broken] = {}
    lemons: list[int] = []
    replaced: list[int] = []
    """Places where a new machine stands."""
    testing: dict[ContractId, ActorId] = {}
    """The runs whose gangs are being tested."""
    orders: dict[ContractId, incident.Order] = {}
    prices: dict[ContractId, Credits] = {}


class FaultSource:
    """One cluster.

    Args:
        hazard: What fails, and how often.
        runs: (run, size of its gang), in the order in which they are seated on nodes 0, 1, ...
        spares: Nodes beyond those.
        monitor: Who reads the instruments.
        crew: Who orders work on nodes, and hears of it.
        site: How long work takes, and what tests are worth.
        horizon_s: No fault comes after this.
        own_failures: Failures of runs beside those of their nodes, where they are not the hazard's;
            by run.
    """

    def __init__(
        self,
        *,
        hazard: Hazard,
        runs: Sequence[tuple[ActorId, int]],
        spares: int,
        monitor: ActorId,
        crew: ActorId,
        site: Site,
        horizon_s: int,
        own_failures: dict[ActorId, JobFailures] | None = None,
    ) -> None:
        self._hazard = hazard
        self._runs = [run for run, _ in runs]
        self._sizes = dict(runs)
        self._monitor, self._crew = monitor, crew
        self._site = site
        self._horizon_s = horizon_s
        self._own = own_failures or {}
        places = [index for index, (_, size) in enumerate(runs) for _ in range(size)]
        self.state = FaultSourceState(places=[*places, *([_NOBODY] * spares)])

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case work.Start():
                self._begin(ctx)
            case incident.FaultDue():
                self._break(message, ctx)
                self._await_next(message.source, ctx)
            case incident.Running():
                self._seat(message, ctx)
            case incident.Ended():
                self._unseat(message.run)
            case incident.Examine():
                self._begin_test(message, ctx)
            case incident.Reboot():
                due = incident.WorkDue(contract=message.contract, work="reboot", node=message.node)
                ctx.after(Ticks(self._site.reboot_s), due)
            case incident.Order():
                self.state.orders[message.contract] = message
            case money.Secured():
                self._begin_order(message, ctx)
            case incident.WorkDue():
                self._finish_work(message, ctx)
            case money.Credited():
                pass
            case _:
                assert_never(message)

    def _begin(self, ctx: Context) -> None:
        lemons = self._hazard.lemons
        if lemons is not None:
            nodes = ctx.rng("lemons/which").shuffled(range(len(self.state.places)))
            n = round(lemons.share_of_nodes * len(nodes))
            self.state.lemons = sorted(nodes[:n])
        for source in ("nodes", "lemons", "storms", *self._runs):
            self._await_next(source, ctx)

    def _process(self, source: str) -> Process:
        hazard, state = self._hazard, self.state
        match source:
            case "nodes":
                return sound_nodes(hazard, len(state.places))
            case "lemons":
                return lemon_nodes(hazard, state.lemons)
            case "storms":
                return storms(hazard, len(state.places))
            case _:
                run = ActorId(source)
                own = self._own.get(run, hazard.job_failures)
                return job_side(own, self._sizes[run])

    def _await_next(self, source: str, ctx: Context) -> None:
        """Draws the next fault of a process, and what it will be."""
        process = self._process(source)
        if process.per_day <= 0:
            return
        delay = max(1, round(ctx.rng(f"{source}/when").exponential(DAY / process.per_day)))
        if ctx.now + delay >= self._horizon_s:
            return
        what = ctx.rng(f"{source}/what")
        drawn = process.draw(what)
        self.state.faults += 1
        fault = incident.FaultDue(
            fault=self.state.faults,
            source=source,
            category=drawn.category,
            node=drawn.node,
            signature=drawn.signature,
        )
        ctx.after(Ticks(delay), fault)

    def _break(self, fault: incident.FaultDue, ctx: Context) -> None:
        state = self.state
        if fault.node == NO_NODE:
            signature = CATEGORIES[fault.category].signatures[fault.signature]
            self._show(ActorId(fault.source), fault.fault, signature, NO_NODE, ctx)
            return
        is_lemons = fault.source == "lemons"
        if is_lemons and fault.node in state.replaced:
            return
        wide = self._hazard.storm_nodes if fault.source == "storms" else 1
        for node in range(fault.node, min(fault.node + wide, len(state.places))):
            if state.places[node] == _NOBODY or node in state.broken:
                continue
            broken = Broken(fault.fault, fault.category, fault.signature)
            # A lemon's fault has gone when somebody looks: that is what makes it a lemon.
            if CATEGORIES[fault.category].place == "node" and not is_lemons:
                state.broken[node] = broken
            self._manifest(node, broken, ctx)

    def _manifest(self, node: int, broken: Broken, ctx: Context, *, is_again: bool = False) -> None:
        run = self._runs[self.state.places[node]]
        signature = CATEGORIES[broken.category].signatures[broken.signature]
        self._show(run, broken.fault, signature, node, ctx, is_again=is_again)

    def _show(
        self,
        run: ActorId,
        fault: int,
        signature: Signature,
        node: int,
        ctx: Context,
        *,
        is_again: bool = False,
    ) -> None:
        struck = incident.Struck(
            run=run,
            fault=fault,
            effect=signature.effect,
            share=self._site.slow_share if signature.effect == "slow" else 0.0,
            is_again=is_again,
        )
        ctx.tell(run, struck)
        for kind, code in signature.signs:
            symptom = incident.Symptom(run=run, kind=kind, node=node, value=code)
            ctx.tell(self._monitor, symptom)

    def _seat(self, running: incident.Running, ctx: Context) -> None:
        """Moves nodes in and out of a gang; what is broken in it shows again."""
        state, index = self.state, self._runs.index(running.run)
        for node in running.leave:
            state.places[node] = _NOBODY
        for node in running.join:
            state.places[node] = index
        for node in sorted(state.broken):
            if state.places[node] == index:
                self._manifest(node, state.broken[node], ctx, is_again=True)

    def _unseat(self, run: ActorId) -> None:
        index = self._runs.index(run)
        self.state.places = [_NOBODY if at == index else at for at in self.state.places]

    def _begin_test(self, order: incident.Examine, ctx: Context) -> None:
        site = self._site
        takes = site.sweep_s if order.node == NO_NODE else site.examine_s
        if order.is_thorough:
            takes = site.human_work_s
        self.state.testing[order.contract] = order.run
        due = incident.WorkDue(
            contract=order.contract,
            work="examine",
            node=order.node,
            is_thorough=order.is_thorough,
        )
        ctx.after(Ticks(takes), due)

    def _begin_order(self, paid: money.Secured, ctx: Context) -> None:
        order = self.state.orders.pop(paid.contract, None)
        if order is None:
            return
        self.state.prices[paid.contract] = paid.amount
        takes: float = self._site.new_node_s
        if order.work == "repair":
            takes = self._site.repair_s * (0.5 + ctx.rng("repairs").random())
        due = incident.WorkDue(contract=paid.contract, work=order.work, node=order.node)
        ctx.after(Ticks(max(1, round(takes))), due)

    def _finish_work(self, done: incident.WorkDue, ctx: Context) -> None:
        state, node = self.state, done.node
        match done.work:
            case "examine":
                self._report(done, ctx)
            case "reboot":
                broken = state.broken.get(node)
                if broken is not None:
                    odds = CATEGORIES[broken.category].reboot_cures
                    if ctx.rng("reboots").random() < odds:
                        del state.broken[node]
                ctx.tell(self._crew, incident.Rebooted(contract=done.contract, node=node))
            case "repair" | "new":
                state.broken.pop(node, None)
                if done.work == "new":
                    state.replaced.append(node)
                cost = state.prices.pop(done.contract)
                delivered = incident.Delivered(contract=done.contract, node=node, cost=cost)
                ctx.tell(self._crew, delivered)
            case _:
                assert_never(done.work)

    def _report(self, done: incident.WorkDue, ctx: Context) -> None:
        """Tells which nodes failed the test; a test overlooks some, a human none."""
        state = self.state
        run = state.testing.pop(done.contract)
        index = self._runs.index(run) if done.node == NO_NODE else _NOBODY
        tested = [
            node
            for node in sorted(state.broken)
            if node == done.node or (done.node == NO_NODE and state.places[node] == index)
        ]
        tests = ctx.rng("tests")
        failed = [
            node for node in tested if done.is_thorough or tests.random() < self._site.test_finds
        ]
        report = incident.Examined(
            contract=done.contract, run=run, node=done.node, failed=tuple(failed)
        )
        ctx.tell(self._crew, report)

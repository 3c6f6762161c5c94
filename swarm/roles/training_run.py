"""TrainingRun: a gang of nodes that computes, saves checkpoints, and starts again when told to.

It knows what its own processes show (they ended, they stand still, throughput, loss), not which
node is broken. It never restarts by itself.

Protocol  ``comms/messages/incident.py``, run's side.
States    restoring -> computing <-> saving; a crash or hang leads to stopped; a restart leads back
          to restoring; at the end of its time ended. Timers carry the number of the start they
          belong to; those of earlier starts are void.
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
    work.Start | incident.Struck | incident.Restart | incident.CheckpointDue | incident.SavedDue
    | incident.LossDue | incident.RestoredDue | incident.EndDue
)  # fmt: skip
Due: TypeAlias = (
    incident.RestoredDue | incident.CheckpointDue | incident.SavedDue | incident.LossDue
)  # fmt: skip
Phase: TypeAlias = Literal["restoring", "computing", "saving", "stopped", "ended"]

_POISONED_NOTICE_S = 60
"""A run that starts from a corrupt checkpoint shows it this soon."""


class TrainingRunState(msgspec.Struct):
    """Progress is counted in seconds' worth of training at full speed."""

    phase: Phase = "restoring"
    start: int = 0
    since: int = 0
    """When ``progress`` was last brought up to date."""
    progress: float = 0.0
    saved: float = 0.0
    clean: float = 0.0
    """The last checkpoint from before corruption."""
    corrupt_from: float | None = None
    share: float = 1.0
    interval_s: int = 0
    order: incident.Restart | None = None
    """The order to restart that is being carried out."""
    saving_s: int = 0
    down_s: int = 0
    redone_s: float = 0.0


class TrainingRun:
    """One run, from the first start to the end of its time.

    Args:
        nodes: Size of the gang.
        hall: Where its nodes are: the fault source.
        monitor: Who watches it.
        on_duty: Who restarts it.
        interval_s: Computing between checkpoints, until somebody changes it.
        horizon_s: Its time.
        site: How long saving and restarting takes.
    """

    def __init__(
        self,
        *,
        nodes: int,
        hall: ActorId,
        monitor: ActorId,
        on_duty: ActorId,
        interval_s: int,
        horizon_s: int,
        site: Site,
    ) -> None:
        self._nodes = nodes
        self._listeners = (hall, monitor, on_duty)
        self._monitor = monitor
        self._horizon_s = horizon_s
        self._site = site
        self.state = TrainingRunState(interval_s=interval_s)

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the states."""
        state = self.state
        if state.phase == "ended":
            return
        self._advance(ctx.now)
        match message:
            case work.Start():
                ctx.after(Ticks(self._horizon_s), incident.EndDue())
                self._restore(ctx, delay_s=0)
            case incident.Struck():
                self._suffer(message, ctx)
            case incident.Restart():
                self._obey(message, ctx)
            case (
                incident.RestoredDue() | incident.CheckpointDue()
                | incident.SavedDue() | incident.LossDue()
            ):  # fmt: skip
                if message.start == state.start:
                    self._go_on(message, ctx)
            case incident.EndDue():
                self._end(ctx)
            case _:
                assert_never(message)

    def _go_on(self, due: Due, ctx: Context) -> None:
        """A timer of this start; one that finds a phase it was not meant for is void."""
        match due, self.state.phase:
            case incident.RestoredDue(), "restoring":
                self._compute_again(ctx)
            case incident.CheckpointDue(), "computing":
                self._save(ctx)
            case incident.SavedDue(), "saving":
                self._keep(ctx)
            case incident.LossDue(), "computing" | "saving":
                self._show("loss_not_finite", ctx)
            case _:
                pass

    def _advance(self, now: int) -> None:
        """Accounts for the time since the last message."""
        state, span = self.state, now - self.state.since
        state.since = now
        if state.phase == "computing":
            state.progress += span * state.share
        elif state.phase == "saving":
            state.saving_s += span
        elif state.phase in ("stopped", "restoring"):
            state.down_s += span

    def _restore(self, ctx: Context, *, delay_s: int) -> None:
        state = self.state
        state.start += 1
        state.phase, state.share = "restoring", 1.0
        due = incident.RestoredDue(start=state.start)
        ctx.after(Ticks(delay_s + self._site.restart_s), due)

    def _compute_again(self, ctx: Context) -> None:
        state, order = self.state, self.state.order
        state.phase, state.order = "computing", None
        running = incident.Running(
            run=ctx.me,
            contract=order.contract if order else ContractId(""),
            leave=order.leave if order else (),
            join=order.join if order else (),
        )
        ctx.tell_all(self._listeners, running)
        ctx.after(Ticks(state.interval_s), incident.CheckpointDue(start=state.start))
        if state.corrupt_from is not None:
            ctx.after(Ticks(_POISONED_NOTICE_S), incident.LossDue(start=state.start))

    def _save(self, ctx: Context) -> None:
        self.state.phase = "saving"
        ctx.after(Ticks(self._site.checkpoint_s), incident.SavedDue(start=self.state.start))

    def _keep(self, ctx: Context) -> None:
        """The checkpoint is written; what it holds was computed before it was begun."""
        state = self.state
        state.saved = state.progress
        if state.corrupt_from is None:
            state.clean = state.saved
        state.phase = "computing"
        if state.order is not None:
            self._restart(state.order, ctx)
        else:
            ctx.after(Ticks(state.interval_s), incident.CheckpointDue(start=state.start))

    def _suffer(self, struck: incident.Struck, ctx: Context) -> None:
        """Feels a fault, if there are processes that could."""
        state = self.state
        if state.phase not in ("computing", "saving"):
            return
        match struck.effect:
            case "crash" | "hang":
                state.phase = "stopped"
                self._lose(state.saved)
                if state.order is not None:  # the fault comes before the planned restart
                    self._restart(state.order, ctx)
                    return
                self._show("exited" if struck.effect == "crash" else "traffic_stopped", ctx)
            case "slow":
                state.share = min(state.share, struck.share)
                self._show("throughput_low", ctx, value=struck.share)
            case "corrupt":
                if state.corrupt_from is None:
                    state.corrupt_from = state.progress
                    delay = ctx.rng("corruption").exponential(self._site.corrupt_notice_s)
                    due = incident.LossDue(start=state.start)
                    ctx.after(Ticks(max(1, round(delay))), due)
            case _:
                assert_never(struck.effect)

    def _obey(self, order: incident.Restart, ctx: Context) -> None:
        state = self.state
        if order.interval_s:
            state.interval_s = order.interval_s
        state.order = order
        if order.checkpoint == "save" and state.phase == "computing":
            self._save(ctx)
        elif not (order.checkpoint == "save" and state.phase == "saving"):
            self._restart(order, ctx)

    def _restart(self, order: incident.Restart, ctx: Context) -> None:
        state = self.state
        self._lose(state.clean if order.checkpoint == "clean" else state.saved)
        state.saved = state.progress
        if state.corrupt_from is not None and state.saved <= state.corrupt_from:
            state.corrupt_from = None
        self._restore(ctx, delay_s=order.delay_s)

    def _lose(self, kept: float) -> None:
        """Goes back to a checkpoint."""
        state = self.state
        state.redone_s += state.progress - kept
        state.progress = kept

    def _show(
        self,
        kind: Literal["exited", "traffic_stopped", "throughput_low", "loss_not_finite"],
        ctx: Context,
        *,
        value: float = 0.0,
    ) -> None:
        ctx.tell(self._monitor, incident.Symptom(run=ctx.me, kind=kind, value=value))

    def _end(self, ctx: Context) -> None:
        state = self.state
        if state.corrupt_from is not None:
            self._lose(state.clean)
        state.phase = "ended"
        ended = incident.Ended(
            run=ctx.me,
            nodes=self._nodes,
            elapsed_s=self._horizon_s,
            effective_s=state.progress,
            saving_s=state.saving_s,
            down_s=state.down_s,
            redone_s=state.redone_s,
            starts=state.start,
            interval_s=state.interval_s,
        )
        ctx.tell_all(self._listeners, ended)

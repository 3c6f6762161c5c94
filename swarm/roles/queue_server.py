"""QueueServer: serves customers one at a time, first come first served, and measures.

Protocol  ``comms/messages/queueing.py``, server side.
States    idle <-> serving; after the last departure it reports to the source and is done.
Asks      nobody.
Raises    nothing.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import queueing, work
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.units import Ticks

Inbox: TypeAlias = work.Start | queueing.Arrived | queueing.ServiceDone


class QueueServerState(msgspec.Struct):
    """The queue (arrival, service) with the customer in service first, and running sums."""

    queue: list[tuple[int, int]] = []
    customers: int = 0
    waited: int = 0
    stayed: int = 0
    area: int = 0
    began: int = -1
    changed: int = 0
    saw_last: bool = False


class QueueServer:
    """A single server with an unbounded queue.

    Args:
        source: Who is told the figures at the end.
    """

    def __init__(self, *, source: ActorId) -> None:
        self._source = source
        self.state = QueueServerState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """Takes a customer in, or lets one go."""
        match message:
            case work.Start():
                pass
            case queueing.Arrived():
                self._advance(ctx.now)
                self.state.queue.append((ctx.now, message.service))
                self.state.saw_last |= message.is_last
                if len(self.state.queue) == 1:
                    self._serve(ctx)
            case queueing.ServiceDone():
                self._advance(ctx.now)
                arrived, _ = self.state.queue.pop(0)
                self.state.customers += 1
                self.state.stayed += ctx.now - arrived
                if self.state.queue:
                    self._serve(ctx)
                elif self.state.saw_last:
                    self._report(ctx)
            case _:
                assert_never(message)

    def _serve(self, ctx: Context) -> None:
        arrived, service = self.state.queue[0]
        self.state.waited += ctx.now - arrived
        ctx.after(Ticks(service), queueing.ServiceDone())

    def _advance(self, now: int) -> None:
        state = self.state
        if state.began < 0:
            state.began = state.changed = now
        state.area += len(state.queue) * (now - state.changed)
        state.changed = now

    def _report(self, ctx: Context) -> None:
        state = self.state
        figures = queueing.Measured(
            customers=state.customers,
            waited=state.waited,
            stayed=state.stayed,
            area=state.area,
            elapsed=ctx.now - state.began,
        )
        ctx.tell(self._source, figures)
        ctx.stop()

"""QueueSource: sends customers to its server at exponential intervals.

Protocol  ``comms/messages/queueing.py``, source side.
States    sending until ``customers`` have come; then it waits for the server's figures and stops.
Asks      nobody.
Raises    nothing.
"""

from typing import TypeAlias, assert_never

import msgspec

from swarm.comms.messages import queueing, work
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.units import Ticks

Inbox: TypeAlias = work.Start | queueing.Due | queueing.Measured


class QueueSourceState(msgspec.Struct):
    """How many customers have come."""

    sent: int = 0


class QueueSource:
    """A Poisson stream of customers with exponential service times.

    Args:
        server: Where the customers go.
        customers: How many in all.
        mean_interval: Ticks between arrivals; large, so that rounding to ticks does not matter.
        mean_service: Ticks of service.
    """

    def __init__(
        self, *, server: ActorId, customers: int, mean_interval: int, mean_service: int
    ) -> None:
        self._server = server
        self._customers = customers
        self._mean_interval = mean_interval
        self._mean_service = mean_service
        self.state = QueueSourceState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """Sends the next customer when it is due."""
        match message:
            case work.Start():
                self._wait(ctx)
            case queueing.Due():
                self.state.sent += 1
                is_last = self.state.sent == self._customers
                service = max(1, round(ctx.rng("service").exponential(self._mean_service)))
                ctx.tell(self._server, queueing.Arrived(service=service, is_last=is_last))
                if not is_last:
                    self._wait(ctx)
            case queueing.Measured():
                ctx.stop()
            case _:
                assert_never(message)

    def _wait(self, ctx: Context) -> None:
        interval = max(1, round(ctx.rng("interval").exponential(self._mean_interval)))
        ctx.after(Ticks(interval), queueing.Due())

"""Queueing: customers who come, wait and leave; the engine's own test against theory.

source --Arrived--> server            a customer joins the queue
source --Due--> source                the next customer comes
server --ServiceDone--> server        the customer in service leaves
server --Measured--> source           after the last customer
"""

from swarm.kernel.message import Message


class Arrived(Message, frozen=True, kw_only=True, tag="queueing.arrived"):
    """A customer joins the queue and will need this much service, in ticks."""

    service: int
    is_last: bool = False


class Due(Message, frozen=True, kw_only=True, tag="queueing.due"):
    """The source's own timer."""


class ServiceDone(Message, frozen=True, kw_only=True, tag="queueing.service_done"):
    """The server's own timer."""


class Measured(Message, frozen=True, kw_only=True, tag="queueing.measured"):
    """What one queue saw from the first arrival to the last departure; times in ticks."""

    customers: int
    waited: int
    """Sum over customers of the time before service."""
    stayed: int
    """Sum over customers of the time from arrival to departure."""
    area: int
    """Integral over time of the number of customers in the system."""
    elapsed: int

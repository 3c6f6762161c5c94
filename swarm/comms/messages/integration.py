"""Integration: the integrator's own timers."""

from swarm.kernel.message import Message


class NextDue(Message, frozen=True, kw_only=True, tag="integration.next_due"):
    """Everything that came at one instant has been taken in: choose the next proposal to test."""


class LaunchDue(Message, frozen=True, kw_only=True, tag="integration.launch_due"):
    """The ship could not be launched; try again."""

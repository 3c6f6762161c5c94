"""Replay: a trace that is played to a pool.

source --SubmitDue--> source      the next jobs are to be submitted
"""

from swarm.kernel.message import Message


class SubmitDue(Message, frozen=True, kw_only=True, tag="replay.submit_due"):
    """The source's own timer."""

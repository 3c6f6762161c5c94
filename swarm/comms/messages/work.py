"""Work: what the runtime tells an actor about the jobs it ordered.

A job is ordered with ``ctx.run(spec, takes=...)``; its specification and its result are messages
that stand beside the work in ``swarm/pipeline/<stage>/spec.py``. Only failure is common to all.
"""

from typing import Literal

from swarm.kernel.message import Message

FailureKind = Literal["diverged", "limit", "invalid", "missing"]


class Start(Message, frozen=True, kw_only=True, tag="work.start"):
    """Begin: the first message of every actor that a scenario sets going."""


class JobFailed(Message, frozen=True, kw_only=True, tag="work.job_failed"):
    """The job ended badly, and would again: the specification determines it.

    ``kind`` is ``diverged`` (NaN or infinite loss), ``limit`` (over a declared size), ``invalid``
    (the specification makes no sense) or ``missing`` (an artifact it names is not there).
    """

    kind: FailureKind
    reason: str
    step: int = 0
    """The optimizer step after which it was noticed; 0 before the first."""

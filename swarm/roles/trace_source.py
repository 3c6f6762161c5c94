"""TraceSource: plays the jobs of a trace to a broker, each at its time.

Protocol  ``comms/messages/lease.py``, holder's side.
States    submitting until the last job of the trace is sent; then it only listens. A job is a lease
          that runs to its end. If a node takes it down, what is left of it is asked for again.
Asks      nobody.
Raises    nothing.

A request takes as long to arrive as the edge to the broker: the pool's clock runs so much behind.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias, assert_never

import msgspec

from swarm.comms.messages import lease, replay, work
from swarm.gpu.leases import MILLI
from swarm.gpu.trace import Job
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.units import Credits, Ticks

Inbox: TypeAlias = (
    work.Start | replay.SubmitDue
    | lease.Granted | lease.Refused | lease.Ended | lease.Pending
    | lease.Notice | lease.Preempted | lease.Torn
)  # fmt: skip
Bids: TypeAlias = Literal["flat", "random"]

MAX_BID = 1_000
"""The most that a GPU-tick is worth to anybody, in micro-credits."""

_DIGITS = 8
"""Contracts sort as their numbers do, so that ties go to who stands first in the trace."""


class TraceSourceState(msgspec.Struct):
    """How far it has come."""

    sent: int = 0
    granted: int = 0
    ended: int = 0
    refused: int = 0


class TraceSource:
    """The holder of all leases of its jobs.

    Args:
        broker: Who leases the pool.
        jobs: By time of submission; each with its number in the whole trace.
        bids: ``flat``: the most for all; ``random``: from the stream ``bids``, 1 to the most.
    """

    def __init__(
        self, *, broker: ActorId, jobs: Sequence[tuple[int, Job]], bids: Bids = "flat"
    ) -> None:
        self._broker = broker
        self._jobs = jobs
        self._bids = bids
        self.state = TraceSourceState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        state = self.state
        match message:
            case work.Start() | replay.SubmitDue():
                self._submit_due(ctx)
            case lease.Granted():
                state.granted += 1
            case lease.Ended():
                state.ended += 1
            case lease.Refused():
                state.refused += 1
            case lease.Torn():
                self._submit(message.contract, message.left, ctx)
            case lease.Pending() | lease.Notice() | lease.Preempted():
                pass
            case _:
                assert_never(message)

    def _submit_due(self, ctx: Context) -> None:
        state, jobs = self.state, self._jobs
        while state.sent < len(jobs) and jobs[state.sent][1].submit_s <= ctx.now:
            number, job = jobs[state.sent]
            self._submit(contract_of(number), job.duration_s, ctx)
            state.sent += 1
        if state.sent < len(jobs):
            ctx.after(Ticks(jobs[state.sent][1].submit_s - ctx.now), replay.SubmitDue())

    def _submit(self, contract: ContractId, duration: Ticks, ctx: Context) -> None:
        job = self._job(contract)
        rate = MAX_BID if self._bids == "flat" else 1 + ctx.rng("bids").integer(MAX_BID)
        order = lease.Request(
            contract=contract,
            gpus=job.gpus,
            milli=job.milli,
            duration=duration,
            bid=Credits(-(-rate * job.size * duration // MILLI)),
            purpose=f"job {job.job_id}",
        )
        ctx.tell(self._broker, order)

    def _job(self, contract: ContractId) -> Job:
        number = number_of(contract)
        state = self.state
        if state.sent < len(self._jobs) and self._jobs[state.sent][0] == number:
            return self._jobs[state.sent][1]
        return next(job for at, job in self._jobs if at == number)


def contract_of(number: int) -> ContractId:
    """Returns the contract under which a job of the trace is leased."""
    return ContractId(f"trace/{number:0{_DIGITS}d}")


def number_of(contract: ContractId) -> int:
    """Returns the number of the job whose contract it is."""
    return int(contract.rpartition("/")[2])

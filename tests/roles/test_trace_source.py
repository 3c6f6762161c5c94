import pytest

from swarm.comms.messages import lease, replay, work
from swarm.gpu.trace import Job
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context, Role
from swarm.roles.trace_source import Bids, Inbox, TraceSource, contract_of, number_of
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks

BROKER = ActorId("gpu_broker-0")


def make(*jobs: tuple[int, int, int], bids: Bids = "flat") -> tuple[TraceSource, FakeContext]:
    """A source of jobs (submit, GPUs, duration), numbered from 5."""
    role = TraceSource(
        broker=BROKER,
        jobs=[
            (number, Job(job_id=f"j{number}", submit_s=Ticks(at), gpus=n, duration_s=Ticks(long)))
            for number, (at, n, long) in enumerate(jobs, start=5)
        ],
        bids=bids,
    )
    _: Role[Inbox] = role
    ctx = FakeContext(me=ActorId("trace_source-0"))
    _ctx: Context = ctx
    return role, ctx


def test_every_job_is_submitted_at_its_second_and_not_before() -> None:
    role, ctx = make((0, 2, 10), (0, 1, 20), (7, 4, 30))

    role.receive(work.Start(), ctx)
    assert [one.contract for one in asked(ctx)] == ["trace/00000005", "trace/00000006"]
    assert ctx.drain()[-1] == ("after", 7, replay.SubmitDue())
    ctx.now = Ticks(7)
    role.receive(replay.SubmitDue(), ctx)

    assert asked(ctx) == [
        lease.Request(
            contract=ContractId("trace/00000007"),
            gpus=4,
            duration=Ticks(30),
            bid=Credits(120_000),
            purpose="job j7",
        )
    ]
    assert [effect[0] for effect in ctx.drain()] == ["tell"]


def test_drawn_bids_follow_from_the_seed_and_differ() -> None:
    drawn = []
    for _ in range(2):
        role, ctx = make(*[(0, 1, 1)] * 20, bids="random")
        role.receive(work.Start(), ctx)
        drawn.append([one.bid for one in asked(ctx)])

    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 10
    assert all(1 <= bid <= 1_000 for bid in drawn[0])


def test_what_a_lost_node_took_down_is_asked_for_again() -> None:
    role, ctx = make((0, 2, 10), (0, 1, 20))
    role.receive(work.Start(), ctx)
    ctx.drain()

    role.receive(lease.Torn(contract=contract_of(6), node="node-0", left=Ticks(8)), ctx)

    (again,) = asked(ctx)
    assert (again.contract, again.gpus, again.duration) == (contract_of(6), 1, 8)


def test_it_counts_what_it_hears() -> None:
    role, ctx = make((0, 2, 10))
    role.receive(work.Start(), ctx)
    one = contract_of(5)

    for heard in (
        lease.Granted(contract=one, gpus=("node-0/0",), ends_at=Ticks(9), price=Credits(0)),
        lease.Notice(contract=one, stops_at=Ticks(9)),
        lease.Preempted(contract=one, left=Ticks(9)),
        lease.Pending(contract=one, why="because"),
        lease.Ended(contract=one),
        lease.Refused(contract=one, reason="no"),
    ):
        role.receive(heard, ctx)

    state = role.state
    assert (state.sent, state.granted, state.ended, state.refused) == (1, 1, 1, 1)


@pytest.mark.parametrize("number", [0, 7, 99_999_999])
def test_contracts_name_jobs_and_sort_as_they_do(number: int) -> None:
    assert number_of(contract_of(number)) == number
    assert contract_of(number) < contract_of(number + 1) or number == 99_999_999


def asked(ctx: FakeContext) -> list[lease.Request]:
    return [message for message in ctx.told(BROKER) if isinstance(message, lease.Request)]

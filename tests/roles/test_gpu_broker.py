from heapq import heappop, heappush
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.messages import lease, ops, work
from swarm.comms.messages import treasury as money
from swarm.errors import InvariantError, ProtocolError
from swarm.gpu.brokerage import GpuBrokerState
from swarm.gpu.devices import H100, uniform_cluster
from swarm.gpu.mechanism import mechanism
from swarm.gpu.patience import Patient
from swarm.gpu.placement import Consolidate
from swarm.gpu.rounds import Preemption
from swarm.kernel.message import ActorId, ContractId, Message
from swarm.kernel.role import Context, Role
from swarm.roles.gpu_broker import GpuBroker, Inbox
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks

ME, TREASURY = ActorId("gpu_broker-0"), ActorId("treasury-0")
ADA, BO, CY = ActorId("ada-0"), ActorId("bo-0"), ActorId("cy-0")
ON_DUTY = (ActorId("devops-0"), ActorId("devops-1"))
A, B, C = ContractId("ada-0/1"), ContractId("bo-0/1"), ContractId("cy-0/1")
NODE = tuple(f"node-0/{gpu}" for gpu in range(4))


def make(
    *, name: str = "sealed_bid", devops: tuple[ActorId, ...] = ON_DUTY
) -> tuple[GpuBroker, FakeContext]:
    """A broker with one node of four GPUs, at one micro-credit a GPU-tick."""
    role = GpuBroker(
        cluster=uniform_cluster(H100, nodes=1, gpus_per_node=4),
        reserve=Credits(1),
        mechanism=mechanism(name),
        placement=Consolidate(),
        round_every=Ticks(600),
        treasury=TREASURY,
        devops=devops,
    )
    _: Role[Inbox] = role
    ctx = FakeContext(me=ME, now=Ticks(100))
    _ctx: Context = ctx
    return role, ctx


def send(role: GpuBroker, ctx: FakeContext, sender: ActorId, *messages: Inbox) -> None:
    ctx.sender = sender
    for message in messages:
        role.receive(message, ctx)


def settle(role: GpuBroker, ctx: FakeContext, sender: ActorId, *messages: Inbox) -> None:
    """Has messages arrive, and the desk cleared a tick later; forgets the timers."""
    send(role, ctx, sender, *messages)
    ctx.drain()
    ctx.now = Ticks(ctx.now + 1)
    send(role, ctx, ME, lease.DeskDue())


def hold_round(role: GpuBroker, ctx: FakeContext, at: int = 600) -> None:
    ctx.drain()
    ctx.now = Ticks(at)
    send(role, ctx, ME, lease.RoundDue())


def request(
    contract: ContractId, gpus: int = 4, *, duration: int = 1_000, bid: int = 9_000
) -> lease.Request:
    return lease.Request(
        contract=contract,
        gpus=gpus,
        duration=Ticks(duration),
        bid=Credits(bid),
        purpose="trial",
    )


def charged(contract: ContractId, amount: int = 4_000) -> money.Charged:
    return money.Charged(contract=contract, amount=Credits(amount))


def denied(contract: ContractId, amount: int = 4_000, balance: int = 7) -> money.Denied:
    return money.Denied(contract=contract, amount=Credits(amount), balance=Credits(balance))


def release(contract: ContractId, *failures: str) -> lease.Release:
    return lease.Release(contract=contract, failures=failures)


def leased(contract: ContractId = A, holder: ActorId = ADA) -> tuple[GpuBroker, FakeContext]:
    """A broker that has leased all GPUs to one holder, from tick 601 to 1601."""
    role, ctx = make()
    settle(role, ctx, holder, request(contract))
    hold_round(role, ctx)
    settle(role, ctx, TREASURY, charged(contract))
    ctx.drain()
    return role, ctx


def test_a_request_sets_one_timer_for_the_desk_and_one_for_the_next_multiple() -> None:
    role, ctx = make()

    send(role, ctx, ADA, work.Start(), request(A), request(ContractId("ada-0/2")))

    assert ctx.drain() == [("after", 1, lease.DeskDue()), ("after", 500, lease.RoundDue())]


def test_a_round_charges_the_winner_and_tells_the_others_why_they_wait() -> None:
    role, ctx = make()
    settle(role, ctx, ADA, request(A, bid=9_000))
    settle(role, ctx, BO, request(B, bid=5_000))

    hold_round(role, ctx)

    charge, pending, timer = ctx.drain()
    assert charge == (
        "tell",
        TREASURY,
        money.Charge(contract=A, payer=ADA, amount=Credits(5_000)),
    )
    why = pending[-1]
    assert isinstance(why, lease.Pending)
    assert pending[:2] == ("tell", BO)
    assert "0 of 4 GPUs are idle" in why.why
    assert timer == ("after", 600, lease.RoundDue())


def test_a_request_that_arrives_with_the_round_takes_part_in_it() -> None:
    role, ctx = make()
    settle(role, ctx, ADA, request(A, 2))
    ctx.now = Ticks(600)
    send(role, ctx, BO, request(B, 2))

    hold_round(role, ctx)

    charges = [m.contract for m in ctx.told(TREASURY) if isinstance(m, money.Charge)]
    assert sorted(charges) == [A, B]


def test_no_further_round_is_held_when_nothing_waits() -> None:
    role, ctx = make()
    settle(role, ctx, ADA, request(A))

    hold_round(role, ctx)

    assert [effect[0] for effect in ctx.drain()] == ["tell"]


def test_the_paid_lease_names_its_gpus_and_its_time_runs_from_now() -> None:
    role, ctx = make()
    settle(role, ctx, ADA, request(A))
    hold_round(role, ctx)
    ctx.now = Ticks(719)

    settle(role, ctx, TREASURY, charged(A))

    granted = lease.Granted(contract=A, gpus=NODE, ends_at=Ticks(1_720), price=Credits(4_000))
    assert ctx.drain() == [
        ("tell", ADA, granted),
        ("after", 1_000, lease.ExpiryDue(contract=A)),
    ]


def test_who_cannot_pay_is_refused_and_the_gpus_go_back() -> None:
    role, ctx = make()
    settle(role, ctx, ADA, request(A))
    hold_round(role, ctx)

    settle(role, ctx, TREASURY, denied(A))

    (refused,) = ctx.told(ADA)
    assert isinstance(refused, lease.Refused)
    assert "is 4000 micro-credits, and ada-0 has 7" in refused.reason
    assert role.state.pool.n_idle == 4


@pytest.mark.parametrize(
    ("asked", "reason"),
    [(request(A, 5), "the largest gang possible"), (request(A, bid=3_999), "cost at least 4000")],
)
def test_what_can_never_be_leased_is_refused_at_once(asked: lease.Request, reason: str) -> None:
    role, ctx = make()

    settle(role, ctx, ADA, asked)

    (refused,) = ctx.told(ADA)
    assert isinstance(refused, lease.Refused)
    assert reason in refused.reason


def test_a_lease_ends_when_its_time_is_over() -> None:
    role, ctx = leased()
    ctx.now = Ticks(1_601)

    send(role, ctx, ME, lease.ExpiryDue(contract=A))

    assert ctx.drain() == [("tell", ADA, lease.Ended(contract=A))]
    assert role.state.pool.n_idle == 4


def test_a_release_at_the_very_end_counts_as_a_release() -> None:
    role, ctx = leased()
    ctx.now = Ticks(1_601)
    send(role, ctx, ADA, release(A))
    ctx.drain()

    send(role, ctx, ME, lease.ExpiryDue(contract=A))

    assert ctx.drain() == []


def test_an_early_release_frees_the_gpus_and_the_timer_of_the_end_is_void() -> None:
    role, ctx = leased()
    settle(role, ctx, ADA, release(A))
    assert role.state.pool.n_idle == 4
    ctx.now = Ticks(1_601)

    send(role, ctx, ME, lease.ExpiryDue(contract=A))

    assert ctx.drain() == []


def test_a_second_release_is_noted() -> None:
    role, ctx = leased()
    settle(role, ctx, ADA, release(A))

    settle(role, ctx, ADA, release(A))

    assert ctx.drain() == [("note", "ada-0/1: release by ada-0 ignored, the lease is over")]


def test_a_release_by_another_than_the_holder_is_a_protocol_error() -> None:
    role, ctx = leased()

    with pytest.raises(ProtocolError, match="'ada-0/1 of ada-0, told by bo-0'"):
        settle(role, ctx, BO, release(A))


@pytest.mark.parametrize("answer", [charged(B), denied(B), charged(A)])
def test_an_answer_to_no_question_is_a_protocol_error(
    answer: money.Charged | money.Denied,
) -> None:
    role, ctx = leased()

    with pytest.raises(ProtocolError, match="not held"):
        settle(role, ctx, TREASURY, answer)


def test_a_release_withdraws_what_waits() -> None:
    role, ctx = make()
    settle(role, ctx, ADA, request(A))
    settle(role, ctx, ADA, release(A))

    hold_round(role, ctx)

    assert ctx.drain() == []


def test_who_withdraws_before_the_grant_pays_nothing() -> None:
    role, ctx = make()
    settle(role, ctx, ADA, request(A))
    hold_round(role, ctx)
    settle(role, ctx, ADA, release(A))
    assert role.state.pool.n_idle == 4
    ctx.drain()

    settle(role, ctx, TREASURY, charged(A))

    refund = money.Refund(contract=A, to=ADA, amount=Credits(4_000))
    assert ctx.drain() == [("tell", TREASURY, refund)]


def test_who_withdraws_and_could_not_have_paid_is_left_alone() -> None:
    role, ctx = make()
    settle(role, ctx, ADA, request(A))
    hold_round(role, ctx)
    settle(role, ctx, ADA, release(A))

    settle(role, ctx, TREASURY, denied(A))

    assert ctx.drain() == []
    assert role.state.withdrawn == {}


def test_failures_are_reported_to_those_on_duty_in_turn() -> None:
    role, ctx = make()
    told: list[Message] = []
    for number, on_duty in enumerate((*ON_DUTY, ON_DUTY[0])):
        contract = ContractId(f"ada-0/{number}")
        settle(role, ctx, ADA, request(contract))
        hold_round(role, ctx, at=600 * (number + 1))
        settle(role, ctx, TREASURY, charged(contract))

        settle(role, ctx, ADA, release(contract, "limit: too large"))

        told += ctx.told(on_duty)
    assert told == [
        ops.Incident(
            contract=ContractId(f"ada-0/{number}"),
            holder=ADA,
            gpus=NODE,
            failures=("limit: too large",),
        )
        for number in range(3)
    ]


def test_without_anybody_on_duty_failures_are_noted() -> None:
    role, ctx = make(devops=())
    settle(role, ctx, ADA, request(A))
    hold_round(role, ctx)
    settle(role, ctx, TREASURY, charged(A))

    settle(role, ctx, ADA, release(A, "limit: too large"))

    assert ctx.drain() == [("note", "ada-0/1: nobody is on duty for limit: too large")]


def test_advice_is_passed_on_to_the_holder_once() -> None:
    role, ctx = leased()
    settle(role, ctx, ADA, release(A, "limit: too large"))
    ctx.drain()
    advice = ops.Advice(contract=A, diagnosis="too_large", action="shrink", reason="limit")

    send(role, ctx, ON_DUTY[0], advice, advice)

    assert ctx.drain() == [
        ("tell", ADA, advice),
        ("note", "ada-0/1: nobody waits for the advice of devops-0"),
    ]


def test_a_gpu_that_disappears_stops_the_run() -> None:
    role, ctx = make()
    role.state.pool.idle[0].pop()

    with pytest.raises(InvariantError, match="no GPU twice"):
        send(role, ctx, ADA, request(A))


def busy() -> tuple[GpuBroker, FakeContext]:
    """A broker with a lease of two GPUs that runs, and two of one GPU whose price is collected."""
    role, ctx = make()
    settle(role, ctx, ADA, request(A, 2))
    settle(role, ctx, BO, request(B, 1))
    settle(role, ctx, CY, request(C, 1))
    hold_round(role, ctx)
    settle(role, ctx, TREASURY, charged(A, 2_000))
    ctx.drain()
    return role, ctx


AT_ONCE: list[tuple[ActorId, Inbox]] = [
    (ADA, release(A, "limit: a")),
    (BO, release(B, "limit: b")),
    (TREASURY, charged(B, 1_000)),
    (TREASURY, charged(C, 1_000)),
    (ADA, request(ContractId("ada-0/2"), 3)),
    (BO, request(ContractId("bo-0/2"), 3)),
    (CY, request(ContractId("cy-0/2"), 5)),
]


@given(st.permutations(AT_ONCE))
def test_nothing_depends_on_the_order_of_arrival(papers: list[tuple[ActorId, Inbox]]) -> None:
    outcomes = []
    for order in (papers, AT_ONCE):
        role, ctx = busy()
        for sender, message in order:
            send(role, ctx, sender, message)
        ctx.drain()
        send(role, ctx, ME, lease.DeskDue())
        hold_round(role, ctx, at=1_200)
        outcomes.append((ctx.drain(), msgspec.json.encode(role.state)))

    assert outcomes[0] == outcomes[1]


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    role, ctx = busy()
    for sender, message in AT_ONCE:
        send(role, ctx, sender, message)
    stored = msgspec.json.encode(role.state)
    resumed, _ = make()
    resumed.state = msgspec.json.decode(stored, type=GpuBrokerState)
    assert resumed.state == role.state
    ctx.drain()

    resumed_ctx = FakeContext(me=ME, now=ctx.now)
    for one, its in ((role, ctx), (resumed, resumed_ctx)):
        send(one, its, ME, lease.DeskDue())

    assert resumed_ctx.drain() == ctx.drain()
    assert msgspec.json.encode(resumed.state) == msgspec.json.encode(role.state)


ASKED = st.tuples(
    st.integers(0, 3_000),
    st.integers(0, 6),
    st.integers(1, 2_000),
    st.integers(0, 9_000),
    st.sampled_from(["stays", "releases", "withdraws", "fails"]),
)


@given(st.lists(ASKED, max_size=8), st.sampled_from(["sealed_bid", "fifo"]), st.integers(0, 9_000))
def test_whatever_is_asked_the_broker_comes_to_rest_with_every_gpu_idle(
    asked: list[tuple[int, int, int, int, str]], name: str, balance: int
) -> None:
    role, _ = make(name=name)
    world = World(role, balance)
    contracts = []
    for number, (at, gpus, duration, bid, habit) in enumerate(asked):
        contract = ContractId(f"{habit}-{number}/1")
        contracts.append(contract)
        order = request(contract, gpus, duration=duration, bid=bid)
        world.at(at, ActorId(f"{habit}-{number}"), order)
        if habit == "withdraws":
            world.at(at + 400, ActorId(f"{habit}-{number}"), release(contract))

    world.run()

    state = role.state
    assert (state.pool.n_idle, state.pool.waiting, state.withdrawn) == (4, {}, {})
    assert (state.is_round_set, state.is_desk_set, state.desk) == (False, False, [])
    waited = [one for one in contracts if not one.startswith("withdraws")]
    assert sorted(one for one in world.answered if one in waited) == sorted(waited)


class World:
    """Everybody but the broker: holders of some habits, and a treasury with one balance for all."""

    LATENCY = 60

    def __init__(self, role: GpuBroker, balance: int) -> None:
        self._role = role
        self._balance = balance
        self._due: list[tuple[int, int, int, ActorId, Inbox]] = []
        self._n = 0
        self.answered: list[ContractId] = []

    def at(self, now: int, sender: ActorId, message: Inbox, *, is_timer: bool = False) -> None:
        self._n += 1
        heappush(self._due, (now, int(is_timer), self._n, sender, message))

    def run(self) -> None:
        ctx = FakeContext(me=ME)
        while self._due:
            now, _, _, sender, message = heappop(self._due)
            assert now < 100_000, "timers for ever"
            ctx.now = Ticks(now)
            send(self._role, ctx, sender, message)
            for effect in ctx.drain():
                match effect:
                    case ("after", int(delay), lease.DeskDue() | lease.RoundDue() as timer):
                        self.at(now + delay, ME, timer, is_timer=True)
                    case ("after", int(delay), lease.ExpiryDue() as timer):
                        self.at(now + delay, ME, timer, is_timer=True)
                    case ("tell", str(to), told):
                        self._hear(now + self.LATENCY, ActorId(to), told)
                    case _:
                        pass

    def _hear(self, now: int, to: ActorId, told: object) -> None:
        match told:
            case money.Charge():
                has = Credits(self._balance)
                is_enough = told.amount <= has
                answer: Inbox = charged(told.contract, told.amount)
                if not is_enough:
                    answer = denied(told.contract, told.amount, has)
                self.at(now + self.LATENCY, TREASURY, answer)
            case lease.Granted():
                self.answered.append(told.contract)
                if not to.startswith("stays"):
                    failures = ("limit: x",) if to.startswith("fails") else ()
                    self.at(now + 100, to, release(told.contract, *failures))
            case lease.Refused():
                self.answered.append(told.contract)
            case _:
                pass


def instant(
    *, name: str = "fifo", preemption: Preemption | None = None, patience: int = 0
) -> tuple[GpuBroker, FakeContext]:
    """A broker without a treasury that acts whenever something changes; one node of four GPUs."""
    rule = mechanism(name)
    role = GpuBroker(
        cluster=uniform_cluster(H100, nodes=1, gpus_per_node=4),
        reserve=Credits(1),
        mechanism=Patient(rule, patience=Ticks(patience)) if patience else rule,
        placement=Consolidate(),
        round_every=Ticks(0),
        treasury=None,
        devops=ON_DUTY,
        preemption=preemption,
        explains=False,
    )
    return role, FakeContext(me=ME, now=Ticks(100))


def at(role: GpuBroker, ctx: FakeContext, now: int, *sent: tuple[ActorId, Inbox]) -> None:
    """Has messages arrive at an instant, and fires the timers that are due then."""
    ctx.now = Ticks(now)
    for sender, message in sent:
        send(role, ctx, sender, message)
    for _ in range(2):  # who lays something on the desk sets a timer for the same instant
        fired: list[Any] = [message for due, message in ctx.timers if due <= now]
        ctx.timers = [timer for timer in ctx.timers if timer[0] > now]
        for message in fired:
            send(role, ctx, ME, message)


def kinds(ctx: FakeContext, to: ActorId) -> list[str]:
    told = [type(message).__name__ for message in ctx.told(to)]
    ctx.drain()
    return told


def test_without_a_treasury_a_lease_begins_at_the_instant_of_the_request() -> None:
    role, ctx = instant()

    at(role, ctx, 100, (ADA, request(A)))

    assert ctx.told(ADA) == [
        lease.Granted(contract=A, gpus=NODE, ends_at=Ticks(1_100), price=Credits(4_000))
    ]


def test_at_one_instant_who_ends_makes_room_for_who_waits_and_for_who_comes() -> None:
    role, ctx = instant()
    at(role, ctx, 100, (ADA, request(A, 4, duration=50)))
    at(role, ctx, 120, (BO, request(B, 2)))
    ctx.drain()

    at(role, ctx, 150, (CY, request(C, 2)))

    assert [kinds_of for who in (ADA, BO, CY) for kinds_of in map(type, ctx.told(who))] == [
        lease.Ended,
        lease.Granted,
        lease.Granted,
    ]


def test_several_leases_that_end_at_one_instant_end_before_the_round() -> None:
    role, ctx = instant()
    at(role, ctx, 100, (ADA, request(A, 2, duration=50)), (BO, request(B, 2, duration=50)))
    at(role, ctx, 110, (CY, request(C, 4)))
    ctx.drain()

    at(role, ctx, 150)

    assert role.state.pool.leases.keys() == {C}
    assert role.state.pool.leases[C].starts_at == 150


def test_who_is_preempted_is_told_and_granted_anew_with_what_was_left() -> None:
    role, ctx = instant(name="srtf", preemption=Preemption(cost=Ticks(7)))
    at(role, ctx, 100, (ADA, request(A, duration=1_000)))
    ctx.drain()

    at(role, ctx, 200, (BO, request(B, duration=10)))
    assert ctx.told(ADA) == [lease.Preempted(contract=A, left=Ticks(907))]
    assert kinds(ctx, BO) == ["Granted"]
    at(role, ctx, 210)

    (granted,) = ctx.told(ADA)
    assert isinstance(granted, lease.Granted)
    assert granted.ends_at == 210 + 907


def test_the_timer_of_a_lease_that_was_preempted_is_void() -> None:
    role, ctx = instant(name="srtf", preemption=Preemption())
    at(role, ctx, 100, (ADA, request(A, duration=100)))
    at(role, ctx, 150, (BO, request(B, duration=20)))
    at(role, ctx, 170)
    ctx.drain()

    at(role, ctx, 200)
    assert ctx.drain() == []
    at(role, ctx, 220)

    assert kinds(ctx, ADA) == ["Ended"]


def test_notice_comes_first_and_the_gang_is_taken_when_it_is_over() -> None:
    role, ctx = instant(name="srtf", preemption=Preemption(notice=Ticks(30)))
    at(role, ctx, 100, (ADA, request(A, duration=1_000)))
    ctx.drain()

    at(role, ctx, 200, (BO, request(B, duration=10)))
    assert ctx.told(ADA) == [lease.Notice(contract=A, stops_at=Ticks(230))]
    assert kinds(ctx, BO) == []
    at(role, ctx, 230)

    assert ctx.told(ADA) == [lease.Preempted(contract=A, left=Ticks(870))]
    assert kinds(ctx, BO) == ["Granted"]


def test_who_is_done_before_its_notice_is_over_was_not_preempted() -> None:
    role, ctx = instant(name="srtf", preemption=Preemption(notice=Ticks(30)))
    at(role, ctx, 100, (ADA, request(A, duration=110)))
    at(role, ctx, 190, (BO, request(B, duration=10)))
    ctx.drain()

    at(role, ctx, 210)
    assert [type(one) for one in ctx.told(ADA)] == [lease.Ended]
    assert kinds(ctx, BO) == ["Granted"]
    at(role, ctx, 220)

    assert [effect[1] for effect in ctx.drain()] == [BO]


def test_a_request_is_served_when_its_patience_is_over_though_nothing_else_happens() -> None:
    role, ctx = instant(name="sjf", patience=500)
    at(role, ctx, 100, (ADA, request(A, 3, duration=3_000)))
    at(role, ctx, 110, (BO, request(B, 2, duration=10)), (CY, request(C, 1, duration=99)))
    assert role.state.pool.waiting.keys() == {B, C}
    ctx.drain()

    at(role, ctx, 610)

    # B, shortest and first, does not fit and is overdue: it blocks. C must not overtake it.
    assert role.state.pool.waiting.keys() == {B, C}
    assert ctx.drain() == []


def test_a_lease_is_renewed_for_the_reserve_price_while_nobody_waits() -> None:
    role, ctx = instant()
    at(role, ctx, 100, (ADA, request(A, duration=50)))
    ctx.drain()

    renew = lease.Renew(contract=A, duration=Ticks(25), bid=Credits(100))
    at(role, ctx, 120, (ADA, renew))
    assert ctx.told(ADA) == [lease.Renewed(contract=A, ends_at=Ticks(175), price=Credits(100))]
    ctx.drain()
    at(role, ctx, 150)
    assert ctx.drain() == []
    at(role, ctx, 175)

    assert kinds(ctx, ADA) == ["Ended"]


@pytest.mark.parametrize(
    ("sender", "bid", "duration", "others", "reason"),
    [
        (ADA, 99, 25, (), "cost at least 100 micro-credits, and 99 were bid"),
        (ADA, 100, 0, (), "for 1 tick or more"),
        (BO, 100, 25, (), "is no lease of bo-0 whose time runs"),
        (ADA, 100, 25, ((CY, "c"),), "requests that wait: 1, the first cy-0/1 for 4 GPUs"),
    ],
)
def test_a_renewal_is_refused_with_the_reason(
    sender: ActorId, bid: int, duration: int, others: tuple[object, ...], reason: str
) -> None:
    role, ctx = instant()
    at(role, ctx, 100, (ADA, request(A, duration=50)))
    if others:
        at(role, ctx, 101, (CY, request(C)))
    ctx.drain()

    renew = lease.Renew(contract=A, duration=Ticks(duration), bid=Credits(bid))
    at(role, ctx, 120, (sender, renew))

    (refused,) = ctx.told(sender)
    assert isinstance(refused, lease.NotRenewed)
    assert reason in refused.reason
    assert role.state.pool.leases[A].ends_at == 150


def test_a_renewal_is_paid_first_and_refunded_if_the_lease_has_ended_meanwhile() -> None:
    role, ctx = leased()
    renew = lease.Renew(contract=A, duration=Ticks(500), bid=Credits(9_000))
    settle(role, ctx, ADA, renew)
    charge = money.Charge(contract=A, payer=ADA, amount=Credits(2_000))
    assert ctx.drain() == [("tell", TREASURY, charge)]
    settle(role, ctx, ADA, release(A))

    settle(role, ctx, TREASURY, charged(A, 2_000))

    refund = money.Refund(contract=A, to=ADA, amount=Credits(2_000))
    assert ctx.told(TREASURY) == [refund]
    assert [type(one) for one in ctx.told(ADA)] == [lease.NotRenewed]


def test_a_renewal_that_is_paid_puts_off_the_end() -> None:
    role, ctx = leased()
    settle(role, ctx, ADA, lease.Renew(contract=A, duration=Ticks(500), bid=Credits(9_000)))
    before = role.state.pool.leases[A].ends_at

    settle(role, ctx, TREASURY, charged(A, 2_000))

    (renewed,) = ctx.told(ADA)
    assert renewed == lease.Renewed(contract=A, ends_at=Ticks(before + 500), price=Credits(2_000))


def test_who_cannot_pay_for_a_renewal_keeps_the_lease_to_its_end() -> None:
    role, ctx = leased()
    settle(role, ctx, ADA, lease.Renew(contract=A, duration=Ticks(500), bid=Credits(9_000)))

    settle(role, ctx, TREASURY, denied(A, 2_000))

    assert [type(one) for one in ctx.told(ADA)] == [lease.NotRenewed]
    assert A in role.state.pool.leases


def test_a_lost_node_ends_its_leases_refunds_the_rest_and_is_leased_no_more() -> None:
    role, ctx = leased()
    left = role.state.pool.leases[A].ends_at - (ctx.now + 1)

    settle(role, ctx, ON_DUTY[0], lease.NodeLost(node="node-0"))

    assert ctx.told(ADA) == [lease.Torn(contract=A, node="node-0", left=Ticks(left))]
    refund = money.Refund(contract=A, to=ADA, amount=Credits(4 * left))
    assert ctx.told(TREASURY) == [refund]
    assert role.state.pool.n_idle == 0
    settle(role, ctx, ON_DUTY[0], lease.NodeBack(node="node-0"))
    assert role.state.pool.n_idle == 4


@pytest.mark.parametrize(("sender", "node"), [(ADA, "node-0"), (ON_DUTY[0], "node-7")])
def test_news_of_a_node_by_somebody_else_or_of_another_is_a_protocol_error(
    sender: ActorId, node: str
) -> None:
    role, ctx = make()

    with pytest.raises(ProtocolError, match="on duty"):
        settle(role, ctx, sender, lease.NodeLost(node=node))


def test_who_asks_why_is_told_whether_it_waits_or_not() -> None:
    role, ctx = instant()
    at(role, ctx, 100, (ADA, request(A, 4, duration=50)))
    at(role, ctx, 110, (BO, request(B, 3)))
    ctx.drain()

    asked = [(BO, lease.Why(contract=B)), (ADA, lease.Why(contract=A)), (CY, lease.Why(contract=C))]
    at(role, ctx, 120, *asked)

    answers = [ctx.told(who)[0] for who in (BO, ADA, CY)]
    assert [one.why for one in answers if isinstance(one, lease.Pending)] == [
        "bo-0/1 has waited 10 ticks for 3 GPUs: 0 of 4 GPUs are idle, in gangs of at most 0;"
        " room in 30 ticks unless others go first (leases that end by then: 1)",
        "ada-0/1 does not wait: it is leased until 150",
        "cy-0/1 does not wait here; submit a request",
    ]


def test_a_slice_is_leased_and_refused_by_a_pool_that_preempts() -> None:
    asked = msgspec.structs.replace(request(A, 0), milli=250)
    sharing, ctx = instant()
    preempting, other = instant(name="srtf", preemption=Preemption())

    at(sharing, ctx, 100, (ADA, asked))
    at(preempting, other, 100, (ADA, asked))

    (granted,), (refused,) = ctx.told(ADA), other.told(ADA)
    assert isinstance(granted, lease.Granted)
    assert (granted.gpus, granted.price) == (("node-0/3:250",), 250)
    assert isinstance(refused, lease.Refused)
    assert "a pool that preempts leases whole GPUs" in refused.reason

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.messages import treasury as money
from swarm.comms.messages import work
from swarm.errors import InvariantError, ProtocolError
from swarm.kernel.message import ActorId, ContractId, Message
from swarm.kernel.role import Context, Role
from swarm.roles.treasury import Inbox, OrderMessage, Treasury, TreasuryState
from swarm.testing import FakeContext
from swarm.units import Credits

ME, DIRECTOR, BROKER = ActorId("treasury-0"), ActorId("director-0"), ActorId("gpu_broker-0")
ADA, BO, CY = ActorId("ada-0"), ActorId("bo-0"), ActorId("cy-0")
C, D = ContractId("ada-0/1"), ContractId("ada-0/2")


def make(*, budget: int = 1_000) -> tuple[Treasury, FakeContext]:
    role = Treasury(director=DIRECTOR, brokers=(BROKER,), budget=Credits(budget))
    _: Role[Inbox] = role
    ctx = FakeContext(me=ME)
    _ctx: Context = ctx
    return role, ctx


def send(role: Treasury, ctx: FakeContext, *orders: tuple[ActorId, OrderMessage]) -> None:
    """Has all orders arrive at one instant."""
    for sender, order in orders:
        ctx.sender = sender
        role.receive(order, ctx)


def settle(role: Treasury, ctx: FakeContext, *orders: tuple[ActorId, OrderMessage]) -> None:
    """Has orders arrive at one instant and carried out, without a look at the timer."""
    send(role, ctx, *orders)
    ctx.drain()
    ctx.sender = ME
    role.receive(money.BooksDue(), ctx)


def rich(**amounts: int) -> tuple[Treasury, FakeContext]:
    """A treasury in which some actors have credits."""
    role, ctx = make()
    for name, amount in sorted(amounts.items()):
        settle(role, ctx, (DIRECTOR, grant(ActorId(f"{name}-0"), amount)))
    ctx.drain()
    return role, ctx


def grant(to: ActorId, amount: int) -> money.Grant:
    return money.Grant(to=to, amount=Credits(amount), reason="income")


def escrow(
    amount: int, contract: ContractId = C, payee: ActorId = BO, *, advance: int = 0
) -> money.Escrow:
    return money.Escrow(
        contract=contract, payee=payee, amount=Credits(amount), advance=Credits(advance)
    )


def charge(amount: int, payer: ActorId = ADA, contract: ContractId = D) -> money.Charge:
    return money.Charge(contract=contract, payer=payer, amount=Credits(amount))


def credited(amount: int, balance: int, reason: str) -> money.Credited:
    return money.Credited(amount=Credits(amount), balance=Credits(balance), reason=reason)


def denied(amount: int, balance: int, contract: ContractId = C) -> money.Denied:
    return money.Denied(contract=contract, amount=Credits(amount), balance=Credits(balance))


def release(*, contract: ContractId = C, is_accepted: bool = True) -> money.Release:
    return money.Release(contract=contract, is_accepted=is_accepted)


def royalty(amount: int, *shares: tuple[ActorId, int]) -> money.Royalty:
    return money.Royalty(contract=C, amount=Credits(amount), shares=shares)


def tells(ctx: FakeContext) -> list[tuple[object, Message]]:
    return [(e[1], e[2]) for e in ctx.drain() if e[0] == "tell" and isinstance(e[2], Message)]


def test_orders_wait_for_one_timer_a_tick_later() -> None:
    role, ctx = make()

    send(role, ctx, (DIRECTOR, grant(ADA, 7)), (DIRECTOR, grant(BO, 8)))

    assert ctx.drain() == [("after", 1, money.BooksDue())]
    assert role.state.balances == {}


def test_a_grant_mints_and_tells_the_new_balance() -> None:
    role, ctx = rich(ada=5)

    settle(role, ctx, (DIRECTOR, grant(ADA, 7)))

    assert tells(ctx) == [(ADA, credited(7, 12, "income"))]
    assert role.state.minted == 12


def test_start_moves_nothing() -> None:
    role, ctx = make()

    role.receive(work.Start(), ctx)

    assert ctx.drain() == []


@pytest.mark.parametrize(
    ("sender", "order"),
    [
        (ADA, grant(ADA, 1)),
        (ADA, charge(1)),
        (ADA, money.Refund(contract=C, to=ADA, amount=Credits(1))),
        (DIRECTOR, grant(ADA, -1)),
        (BROKER, charge(-1)),
        (ADA, escrow(-1)),
        (ADA, escrow(5, advance=6)),
        (ADA, escrow(5, advance=-1)),
        (ADA, royalty(-1, (BO, 1))),
        (ADA, royalty(1)),
        (ADA, royalty(1, (BO, 0), (CY, 1))),
    ],
)
def test_what_no_correct_actor_sends_is_a_protocol_error(
    sender: ActorId, order: OrderMessage
) -> None:
    role, ctx = rich(ada=9)
    ctx.sender = sender

    with pytest.raises(ProtocolError, match=f"Treasury in state 'told by {sender}'"):
        role.receive(order, ctx)


def test_a_grant_over_the_budget_is_a_protocol_error() -> None:
    role, ctx = make(budget=10)

    with pytest.raises(ProtocolError, match="7 of 10 minted"):
        settle(role, ctx, (DIRECTOR, grant(ADA, 7)), (DIRECTOR, grant(BO, 7)))


def test_an_escrow_is_secured_to_payer_and_payee() -> None:
    role, ctx = rich(ada=9)

    settle(role, ctx, (ADA, escrow(4)))

    secured = money.Secured(contract=C, amount=Credits(4))
    assert tells(ctx) == [(ADA, secured), (BO, secured)]
    assert role.state.balances == {ADA: 5}


def test_an_advance_is_paid_at_once_and_kept_if_the_rest_is_refunded() -> None:
    role, ctx = rich(ada=9)

    settle(role, ctx, (ADA, escrow(8, advance=6)))

    secured = money.Secured(contract=C, amount=Credits(8))
    advance = credited(6, 6, "ada-0/1 advance")
    assert tells(ctx) == [(ADA, secured), (BO, secured), (BO, advance)]

    settle(role, ctx, (ADA, release(is_accepted=False)))

    assert tells(ctx) == [(ADA, credited(2, 3, "ada-0/1 refunded"))]


def test_an_escrow_beyond_the_balance_is_denied_to_the_payer_alone() -> None:
    role, ctx = rich(ada=3)

    settle(role, ctx, (ADA, escrow(4)))

    assert tells(ctx) == [(ADA, denied(4, 3))]
    assert role.state.escrows == {}


def test_a_second_escrow_of_an_open_contract_is_a_protocol_error() -> None:
    role, ctx = rich(ada=9)
    settle(role, ctx, (ADA, escrow(4)))

    with pytest.raises(ProtocolError, match="ada-0/1 in escrow"):
        settle(role, ctx, (ADA, escrow(4)))


def test_an_accepted_release_pays_the_payee() -> None:
    role, ctx = rich(ada=9)
    settle(role, ctx, (ADA, escrow(4)))
    ctx.drain()

    settle(role, ctx, (ADA, release()))

    assert tells(ctx) == [(BO, credited(4, 4, "ada-0/1 paid"))]


def test_a_release_without_acceptance_refunds_the_payer() -> None:
    role, ctx = rich(ada=9)
    settle(role, ctx, (ADA, escrow(4)))
    ctx.drain()

    settle(role, ctx, (ADA, release(is_accepted=False)))

    assert tells(ctx) == [(ADA, credited(4, 9, "ada-0/1 refunded"))]


def test_an_escrow_that_is_withdrawn_at_once_comes_back() -> None:
    role, ctx = rich(ada=9)

    settle(role, ctx, (ADA, release(is_accepted=False)), (ADA, escrow(4)))

    assert tells(ctx)[-1] == (ADA, credited(4, 9, "ada-0/1 refunded"))
    assert role.state.escrows == {}


@pytest.mark.parametrize("sender", [ADA, BO])
def test_a_release_of_nothing_of_ones_own_is_noted_and_moves_nothing(sender: ActorId) -> None:
    role, ctx = rich(ada=9)
    settle(role, ctx, (ADA, escrow(4, D)))
    before = msgspec.json.encode(role.state)
    ctx.drain()

    settle(role, ctx, (sender, release()), (BO, release(contract=D)))

    assert [effect[0] for effect in ctx.drain()] == ["note", "note"]
    assert msgspec.json.encode(role.state) == before


def test_a_charge_moves_the_price_to_the_broker() -> None:
    role, ctx = rich(ada=9)

    settle(role, ctx, (BROKER, charge(4)))

    assert tells(ctx) == [(BROKER, money.Charged(contract=D, amount=Credits(4)))]
    assert role.state.balances == {ADA: 5, BROKER: 4}


def test_a_charge_beyond_the_balance_is_denied_to_the_broker() -> None:
    role, ctx = rich(ada=3)

    settle(role, ctx, (BROKER, charge(4)))

    assert tells(ctx) == [(BROKER, denied(4, 3, D))]


def test_a_refund_gives_the_price_of_a_lease_back() -> None:
    role, ctx = rich(ada=9)
    settle(role, ctx, (BROKER, charge(4)))
    ctx.drain()

    settle(role, ctx, (BROKER, money.Refund(contract=D, to=ADA, amount=Credits(4))))

    assert tells(ctx) == [(ADA, credited(4, 9, "ada-0/2 withdrawn"))]
    assert role.state.balances[BROKER] == 0


def test_a_refund_of_what_was_never_paid_is_a_protocol_error() -> None:
    role, ctx = rich(ada=9)

    with pytest.raises(ProtocolError, match="gpu_broker-0 has 0"):
        settle(role, ctx, (BROKER, money.Refund(contract=D, to=ADA, amount=Credits(4))))


def test_a_royalty_is_split_from_the_senders_own_account() -> None:
    role, ctx = rich(ada=20)

    settle(role, ctx, (ADA, royalty(10, (BO, 3), (CY, 1))))

    assert tells(ctx) == [
        (BO, credited(8, 8, "ada-0/1 royalty")),
        (CY, credited(2, 2, "ada-0/1 royalty")),
    ]
    assert role.state.balances[ADA] == 10


def test_a_royalty_beyond_the_balance_is_denied() -> None:
    role, ctx = rich(ada=3)

    settle(role, ctx, (ADA, royalty(10, (BO, 3))))

    assert tells(ctx) == [(ADA, denied(10, 3))]


def test_what_comes_in_can_be_spent_at_the_same_instant() -> None:
    role, ctx = make()

    settle(role, ctx, (ADA, escrow(4)), (DIRECTOR, grant(ADA, 4)))

    secured = money.Secured(contract=C, amount=Credits(4))
    assert (BO, secured) in tells(ctx)


def test_credits_from_nowhere_stop_the_run() -> None:
    role, ctx = rich(ada=9)
    role.state.balances[BO] = Credits(1)

    with pytest.raises(InvariantError, match=r"conserved: expected 9 minted.* came 10"):
        send(role, ctx, (ADA, release()))


def test_an_overdrawn_account_stops_the_run() -> None:
    role, ctx = rich(ada=9)
    role.state.balances = {ADA: Credits(10), BO: Credits(-1)}

    with pytest.raises(InvariantError, match="credits are conserved"):
        send(role, ctx, (ADA, release()))


AT_ONCE: list[tuple[ActorId, OrderMessage]] = [
    (DIRECTOR, grant(ADA, 5)),
    (DIRECTOR, grant(ADA, 6)),
    (ADA, release(contract=ContractId("ada-0/9"))),
    (ADA, escrow(30, ContractId("ada-0/3"))),
    (ADA, escrow(30, ContractId("ada-0/4"), CY)),
    (BROKER, charge(30, contract=ContractId("ada-0/5"))),
    (ADA, royalty(3, (BO, 1), (CY, 1))),
    (BO, release(contract=ContractId("bo-0/1"))),
]


@given(st.permutations(AT_ONCE))
def test_who_is_denied_does_not_depend_on_the_order_of_arrival(
    orders: list[tuple[ActorId, OrderMessage]],
) -> None:
    role, ctx = rich(ada=60)
    expected, ctx_expected = rich(ada=60)
    for one, its in ((role, ctx), (expected, ctx_expected)):
        settle(one, its, (ADA, escrow(10, ContractId("ada-0/9"), CY)))
        its.drain()

    settle(role, ctx, *orders)
    settle(expected, ctx_expected, *AT_ONCE)

    assert ctx.drain() == ctx_expected.drain()
    assert msgspec.json.encode(role.state) == msgspec.json.encode(expected.state)


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    role, ctx = rich(ada=60)
    settle(role, ctx, (ADA, escrow(10)))
    send(role, ctx, *AT_ONCE)
    ctx.drain()
    stored = msgspec.json.encode(role.state)

    resumed, resumed_ctx = make()
    resumed.state = msgspec.json.decode(stored, type=TreasuryState)
    for one, its in ((role, ctx), (resumed, resumed_ctx)):
        its.sender = ME
        one.receive(money.BooksDue(), its)

    assert resumed_ctx.drain() == ctx.drain()
    assert msgspec.json.encode(resumed.state) == msgspec.json.encode(role.state)


PEOPLE = st.sampled_from([ADA, BO, CY])
AMOUNTS = st.integers(0, 40)
ORDERS = st.one_of(
    st.tuples(st.just(DIRECTOR), st.builds(grant, PEOPLE, AMOUNTS)),
    st.tuples(st.just(BROKER), st.builds(charge, AMOUNTS, PEOPLE)),
    st.tuples(PEOPLE, st.builds(royalty, AMOUNTS, st.tuples(PEOPLE, st.integers(1, 5)))),
    st.tuples(
        PEOPLE,
        st.builds(lambda at, ok: release(contract=at, is_accepted=ok), st.just(C), st.booleans()),
    ),
)


@given(st.lists(st.lists(ORDERS, max_size=5), max_size=8), st.lists(AMOUNTS, max_size=8))
def test_whatever_is_ordered_credits_are_conserved(
    instants: list[list[tuple[ActorId, OrderMessage]]], escrows: list[int]
) -> None:
    role, ctx = make(budget=10_000)

    for orders, amount in zip(instants, escrows, strict=False):
        is_free = C not in role.state.escrows
        settle(role, ctx, *orders, *([(ADA, escrow(amount))] if is_free else []))

    state = role.state
    held = sum(one.amount for one in state.escrows.values())
    assert state.minted == sum(state.balances.values()) + held
    assert min(state.balances.values(), default=0) >= 0

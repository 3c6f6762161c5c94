import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.messages import incident
from swarm.comms.messages import treasury as money
from swarm.gpu.inventory import Inventory, InventoryState
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, ContractId
from swarm.testing import FakeContext
from swarm.units import DAY, Credits, Ticks

ME, HALL, TREASURY = ActorId("devops-0"), ActorId("fault_source-0"), ActorId("treasury-0")
SITE = Site(lemon_blames=3, lemon_window_s=10 * DAY)
ORDER = ContractId("devops-0/order-1")
CARE = ContractId("devops-0/care-7")


def make(*, evicts_lemons: bool = True) -> tuple[Inventory, FakeContext]:
    ctx = FakeContext(me=ME)
    inventory = Inventory(
        hall=HALL,
        treasury=TREASURY,
        site=SITE,
        evicts_lemons=evicts_lemons,
        state=InventoryState(spares=[10, 11]),
        ctx=ctx,
    )
    return inventory, ctx


def blame(inventory: Inventory, ctx: FakeContext, *days: float) -> None:
    for day in days:
        ctx.now = Ticks(round(day * DAY))
        inventory.blame([7])


def report(*, has_failed: bool) -> incident.Examined:
    failed = (7,) if has_failed else ()
    return incident.Examined(contract=CARE, run=ME, node=7, failed=failed)


def test_spares_are_lent_once_and_only_if_there_are_enough() -> None:
    inventory, _ = make()

    assert inventory.take_spares(3) is None
    assert inventory.take_spares(1) == (10,)
    assert inventory.take_spares(2) is None
    assert inventory.take_spares(0) == ()


def test_a_node_that_passes_its_test_is_the_first_to_go_again() -> None:
    inventory, ctx = make()

    inventory.withdraw(7, first="reboot")
    inventory.test(7)
    inventory.tested(report(has_failed=False))

    assert ctx.told(HALL) == [
        incident.Reboot(contract=CARE, node=7),
        incident.Examine(contract=CARE, run=ME, node=7),
    ]
    assert (inventory.state.spares, inventory.state.out) == ([7, 10, 11], {})


def test_a_node_that_fails_its_test_is_repaired_for_money() -> None:
    inventory, ctx = make()
    inventory.withdraw(7, first="test")
    ctx.drain()

    inventory.tested(report(has_failed=True))

    assert ctx.told(HALL) == [incident.Order(contract=ORDER, work="repair", node=7)]
    escrow = money.Escrow(contract=ORDER, payee=HALL, amount=SITE.repair_price)
    assert ctx.told(TREASURY) == [escrow]


def test_work_is_paid_for_when_the_node_is_there() -> None:
    inventory, ctx = make()
    inventory.withdraw(7, first="repair")
    ctx.drain()

    inventory.delivered(incident.Delivered(contract=ORDER, node=7, cost=Credits(1)))

    assert ctx.drain() == [("tell", TREASURY, money.Release(contract=ORDER, is_accepted=True))]
    assert inventory.state.spares == [7, 10, 11]


def test_without_money_the_node_stays_out() -> None:
    inventory, _ = make()
    inventory.withdraw(7, first="repair")

    inventory.denied(ORDER)

    assert (inventory.state.out, inventory.state.orders) == ({7: "unpaid"}, {})


@pytest.mark.parametrize(
    ("days", "is_lemon"),
    [((1, 2), False), ((1, 2, 3), True), ((1, 2, 13), False), ((1, 8, 9, 10), True)],
)
def test_a_lemon_is_to_blame_often_within_the_window(
    days: tuple[float, ...], *, is_lemon: bool
) -> None:
    inventory, ctx = make()

    blame(inventory, ctx, *days)

    assert inventory.is_lemon(7) is is_lemon


def test_trouble_that_comes_back_at_once_is_the_same_trouble() -> None:
    inventory, ctx = make()

    blame(inventory, ctx, 1, 1.01, 1.02, 1.03)

    assert not inventory.is_lemon(7)


def test_a_lemon_is_evicted_and_its_place_forgets() -> None:
    inventory, ctx = make()
    blame(inventory, ctx, 1, 2, 3)

    inventory.withdraw(7, first="reboot")

    assert ctx.told(HALL) == [incident.Order(contract=ORDER, work="new", node=7)]
    inventory.delivered(incident.Delivered(contract=ORDER, node=7, cost=Credits(1)))
    assert not inventory.is_lemon(7)


def test_history_counts_for_nothing_where_lemons_stay() -> None:
    inventory, ctx = make(evicts_lemons=False)

    blame(inventory, ctx, 1, 2, 3, 4)

    assert not inventory.is_lemon(7)


@given(st.permutations([10, 7, 3, 7]))
def test_only_nodes_in_service_are_taken_out(named: list[int]) -> None:
    inventory, _ = make()
    inventory.withdraw(3, first="test")

    assert inventory.in_service(named) == (7,)

from swarm.gpu.leases import Request
from swarm.gpu.line import Line
from swarm.gpu.mechanism import PoolView
from swarm.gpu.mechanisms.fifo import Fifo
from swarm.gpu.placement import Consolidate
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, Ticks


def request(name: str, gpus: int, *, at: int = 0, bid: int = 100) -> Request:
    return Request(
        contract=ContractId(f"{name}/0"),
        holder=ActorId(name),
        gpus=gpus,
        duration=Ticks(10),
        bid=Credits(bid),
        submitted_at=Ticks(at),
    )


def winners(*requests: Request, idle: tuple[int, ...] = (8,), reserve: int = 0) -> dict[str, int]:
    view = PoolView(
        idle=idle, sizes=(8,) * len(idle), placement=Consolidate(), reserve=Credits(reserve)
    )
    fifo = Fifo()
    awards = fifo.allocate(Line(fifo, requests), view, Ticks(99)).awards
    return {award.request.holder: award.payment for award in awards}


def test_first_come_is_first_served_whatever_the_bids() -> None:
    served = winners(request("late", 8, at=2, bid=999), request("early", 8, at=1, bid=1))

    assert list(served) == ["early"]


def test_who_came_together_is_served_by_contract() -> None:
    served = winners(request("b", 4), request("c", 4), request("a", 4))

    assert list(served) == ["a", "b"]


def test_gang_that_does_not_fit_holds_up_everybody_behind_it() -> None:
    served = winners(request("a", 2), request("b", 7, at=1), request("c", 1, at=2))

    assert list(served) == ["a"]


def test_everybody_pays_the_reserve_price() -> None:
    served = winners(request("a", 2), request("b", 4, bid=999), reserve=3)

    assert served == {"a": 60, "b": 120}


def test_bid_under_the_reserve_price_does_not_hold_up_the_queue() -> None:
    served = winners(request("poor", 8, bid=79), request("rich", 8, at=1, bid=80), reserve=1)

    assert served == {"rich": 80}

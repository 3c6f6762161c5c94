"""Inventory: which nodes are spare, which are out of service and why, and which are lemons.

It is kept by the one who has the duty, from what was reported alone; what is really broken it does
not know. A node that was to blame too often is evicted for good, however well it tests: that is
what tells a lemon from bad luck.

Source: lemon nodes, Kokolis et al. (arXiv:2410.21680). Deviation: one signal (blames within a
window) instead of their several.
"""

from collections.abc import Iterable
from typing import Literal, assert_never

import msgspec

from swarm.comms.messages import incident
from swarm.comms.messages import treasury as money
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context

_CARE = "care"
_SAME_TROUBLE_S = 7_200
"""A node that is named again this soon is named for the same fault."""


class InventoryState(msgspec.Struct):
    """Nodes by what is done with them."""

    spares: list[int] = []
    """Ready to join a gang. The one that came last goes first: it has just passed its tests, while
    those that were never needed have idled for long, and stay the reserve."""
    out: dict[int, str] = {}
    """Out of service: ``reboot``, ``test``, ``repair``, ``evicted`` or ``unpaid``."""
    blames: dict[int, list[int]] = {}
    """When each node was to blame."""
    orders: dict[ContractId, int] = {}
    """The node of every order that was placed."""
    n_orders: int = 0
    n_evicted: int = 0


class Inventory:
    """Keeps the nodes of one site, while one message is handled.

    Args:
        hall: Where the nodes stand, and who is paid for work on them.
        treasury: Who holds the money.
        site: Prices, and when a node counts as a lemon.
        evicts_lemons: Whether lemons are evicted; otherwise history counts for nothing.
        state: What it knows.
        ctx: Of the role that keeps it.
    """

    def __init__(
        self,
        *,
        hall: ActorId,
        treasury: ActorId,
        site: Site,
        evicts_lemons: bool,
        state: InventoryState,
        ctx: Context,
    ) -> None:
        self._hall, self._treasury = hall, treasury
        self._site = site
        self._evicts_lemons = evicts_lemons
        self._ctx = ctx
        self.state = state

    def blame(self, nodes: Iterable[int]) -> None:
        """Notes that these nodes were named in a diagnosis; once for trouble that came back."""
        for node in nodes:
            blames = self.state.blames.setdefault(node, [])
            if not blames or self._ctx.now - blames[-1] > _SAME_TROUBLE_S:
                blames.append(self._ctx.now)

    def is_lemon(self, node: int) -> bool:
        """Returns whether a node was to blame too often."""
        if not self._evicts_lemons:
            return False
        since = self._ctx.now - self._site.lemon_window_s
        blames = [at for at in self.state.blames.get(node, ()) if at >= since]
        return len(blames) >= self._site.lemon_blames

    def in_service(self, nodes: Iterable[int]) -> tuple[int, ...]:
        """Returns those that work for some run, ascending."""
        idle = {*self.state.out, *self.state.spares}
        return tuple(sorted(node for node in set(nodes) if node not in idle))

    def take_spares(self, n: int) -> tuple[int, ...] | None:
        """Takes n spares, or None if there are not so many."""
        spares = self.state.spares
        if len(spares) < n:
            return None
        taken, self.state.spares = spares[:n], spares[n:]
        return tuple(taken)

    def withdraw(self, node: int, *, first: Literal["reboot", "test", "repair"]) -> None:
        """Takes a node out of service, and begins what may bring it back.

        A rebooted node is tested, and one that fails a test is repaired; a lemon is evicted.
        """
        if self.is_lemon(node):
            self.state.n_evicted += 1
            self._ctx.note(f"node {node} evicted: to blame {self._site.lemon_blames} times")
            self._order("new", node)
            return
        match first:
            case "reboot":
                self.state.out[node] = "reboot"
                reboot = incident.Reboot(contract=self._care(node), node=node)
                self._ctx.tell(self._hall, reboot)
            case "test":
                self.test(node)
            case "repair":
                self._order("repair", node)
            case _:
                assert_never(first)

    def test(self, node: int) -> None:
        """Has a node tested that is out of service, and answers."""
        self.state.out[node] = "test"
        test = incident.Examine(contract=self._care(node), run=self._ctx.me, node=node)
        self._ctx.tell(self._hall, test)

    def tested(self, report: incident.Examined) -> None:
        """A node that passed is a spare again; one that failed is repaired."""
        if report.failed:
            self._order("repair", report.node)
        else:
            self._make_spare(report.node)

    def delivered(self, delivery: incident.Delivered) -> None:
        """Pays for the work; the node is a spare."""
        self._ctx.tell(self._treasury, money.Release(contract=delivery.contract, is_accepted=True))
        node = self.state.orders.pop(delivery.contract)
        if self.state.out[node] == "evicted":
            self.state.blames.pop(node, None)
        self._make_spare(node)

    def denied(self, contract: ContractId) -> None:
        """There is no money for an order: the node stays out."""
        node = self.state.orders.pop(contract)
        self.state.out[node] = "unpaid"
        self._ctx.note(f"node {node} stays out of service: the treasury denied {contract}")

    def _care(self, node: int) -> ContractId:
        return ContractId(f"{self._ctx.me}/{_CARE}-{node}")

    def _order(self, work: str, node: int) -> None:
        self.state.out[node] = "repair" if work == "repair" else "evicted"
        self.state.n_orders += 1
        contract = ContractId(f"{self._ctx.me}/order-{self.state.n_orders}")
        self.state.orders[contract] = node
        if work == "repair":
            order = incident.Order(contract=contract, work="repair", node=node)
            price = self._site.repair_price
        else:
            order = incident.Order(contract=contract, work="new", node=node)
            price = self._site.new_node_price
        self._ctx.tell(self._hall, order)
        escrow = money.Escrow(contract=contract, payee=self._hall, amount=price)
        self._ctx.tell(self._treasury, escrow)

    def _make_spare(self, node: int) -> None:
        self.state.out.pop(node, None)
        self.state.spares.insert(0, node)

"""What the console shows of a research lab while it runs."""

import statistics
from collections.abc import Sequence

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import lease, ship
from swarm.comms.messages import treasury as money
from swarm.kernel.message import Message
from swarm.runtime.blueprint import View

WATCH = (
    "contract_net.accept",
    "contract_net.failure",
    "contract_net.inform_result",
    "lease.ended",
    "lease.granted",
    "lease.release",
    "treasury.grant",
)


def gauges(n_gpus: int, budget: int, watched: Sequence[tuple[int, Message]]) -> View:
    """Returns GPUs in use, open contracts, parts swapped and the score against generation 0.

    Args:
        n_gpus: GPUs of all pools.
        budget: All that may be minted, in micro-credits: what has been minted of it tells about
            how far the lab is.
        watched: (due, message) pairs.
    """
    leased: dict[str, int] = {}
    open_contracts: set[str] = set()
    base: list[float] = []
    swaps: set[str] = set()
    minted = 0
    for _, message in watched:
        match message:
            case lease.Granted():
                leased[message.contract] = len(message.gpus)
            case lease.Release() | lease.Ended():
                leased.pop(message.contract, None)
            case cn.AcceptProposal():
                open_contracts.add(message.contract)
            case cn.InformResult() | cn.Failure():
                open_contracts.discard(message.contract)
            case ship.Announced():
                base.append(statistics.mean(message.base_bpb))
            case ship.Swapped():
                swaps.add(message.contract)
            case money.Grant():
                minted += message.amount
            case _:
                continue
    facts = {
        "GPUs": f"{sum(leased.values())} of {n_gpus}",
        "contracts": f"{len(open_contracts)} open",
        "swaps": str(len(swaps)),
    }
    if base:
        facts["bpb"] = f"{base[-1]:.3f} (generation 0: {base[0]:.3f})"
    return View(facts, min(1.0, minted / budget) or None)

"""What the console shows of a research lab while it runs."""

import statistics
from collections.abc import Sequence

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import lease, ship
from swarm.kernel.message import Message

WATCH = (
    "contract_net.accept",
    "contract_net.failure",
    "contract_net.inform_result",
    "lease.ended",
    "lease.granted",
    "lease.release",
)


def gauges(n_gpus: int, watched: Sequence[tuple[int, Message]]) -> dict[str, str]:
    """Returns GPUs in use, open contracts, parts swapped and the score against generation 0."""
    leased: dict[str, int] = {}
    open_contracts: set[str] = set()
    base: list[float] = []
    swapped = 0
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
                swapped += 1
            case _:
                continue
    facts = {
        "GPUs": f"{sum(leased.values())} of {n_gpus}",
        "contracts": f"{len(open_contracts)} open",
        "swaps": str(swapped),
    }
    if base:
        facts["bpb"] = f"{base[-1]:.3f} (generation 0: {base[0]:.3f})"
    return facts

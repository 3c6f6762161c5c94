"""Categories of faults: what each does to a run, and how it shows.

The names are those of the table of interruptions of Llama 3 405B, and a few that one may add. How
often a category shows in which way is nowhere published: the weights here are our assumptions, made
so that some causes look alike (a broken GPU like a bug of the application, a switch like a network
card), because that is what makes diagnosis hard. The meaning of XIDs follows the maker's list:
48 double-bit ECC, 63 and 64 row remapping, 74 NVLink, 79 off the bus, 94 and 95 contained and
uncontained ECC, 119 and 120 GSP; 13, 31, 43 and 45 are usually the application's.
"""

from typing import Literal, TypeAlias

import msgspec

Effect: TypeAlias = Literal["crash", "hang", "slow", "corrupt"]
Kind: TypeAlias = Literal[
    "heartbeat_lost", "xid", "link_down", "hot", "host_notice", "disk_error", "machine_check"
]


class Signature(msgspec.Struct, frozen=True):
    """One way in which a category shows."""

    weight: float
    effect: Effect
    signs: tuple[tuple[Kind, int], ...] = ()
    """(kind, code) of what the node itself shows; nothing leaves only the run's behaviour."""


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """One cause.

    A fault of a ``node`` stays until somebody removes it; one of the ``job`` goes with a restart.
    """

    name: str
    place: Literal["node", "job"]
    signatures: tuple[Signature, ...]
    reboot_cures: float = 0.0
    """Probability that a reboot removes it, in [0, 1]."""


def _xid(weight: float, *codes: int, effect: Effect = "crash") -> Signature:
    return Signature(weight, effect, tuple(("xid", code) for code in codes))


def _shows(weight: float, kind: Kind, effect: Effect = "crash") -> Signature:
    return Signature(weight, effect, ((kind, 0),))


_CATEGORIES = (
    Category(
        name="faulty_gpu",
        place="node",
        reboot_cures=0.3,
        signatures=(_xid(5, 79), _xid(2, 74), _shows(1, "heartbeat_lost"), _xid(2, 31)),
    ),
    Category(
        name="gpu_hbm3",
        place="node",
        reboot_cures=0.4,
        signatures=(_xid(5, 48), _xid(3, 63, 94), _xid(2, 95)),
    ),
    Category(
        name="software",
        place="job",
        signatures=(_xid(4, 31), _xid(2, 13), Signature(3, "crash"), Signature(1, "hang")),
    ),
    Category(
        name="switch_cable",
        place="node",
        signatures=(_shows(6, "link_down"), Signature(4, "hang")),
    ),
    Category(
        name="host_maintenance",
        place="node",
        reboot_cures=1.0,
        signatures=(_shows(8, "host_notice"), _shows(2, "heartbeat_lost")),
    ),
    Category(
        name="gpu_sram",
        place="node",
        reboot_cures=0.4,
        signatures=(_xid(6, 48), _xid(4, 95)),
    ),
    Category(
        name="gpu_system_processor",
        place="node",
        reboot_cures=0.8,
        signatures=(_xid(6, 119), _xid(4, 119, effect="hang")),
    ),
    Category(
        name="nic",
        place="node",
        reboot_cures=0.3,
        signatures=(_shows(8, "link_down"), Signature(2, "hang")),
    ),
    Category(name="nccl_watchdog", place="job", signatures=(Signature(1, "hang"),)),
    Category(name="silent_corruption", place="node", signatures=(Signature(1, "corrupt"),)),
    Category(
        name="thermal",
        place="node",
        signatures=(_shows(7, "hot", "slow"), Signature(3, "slow")),
    ),
    Category(
        name="ssd",
        place="node",
        signatures=(_shows(8, "disk_error"), _shows(2, "heartbeat_lost")),
    ),
    Category(name="power_supply", place="node", signatures=(_shows(1, "heartbeat_lost"),)),
    Category(name="chassis", place="node", signatures=(_shows(1, "heartbeat_lost"),)),
    Category(
        name="io_board",
        place="node",
        signatures=(_shows(6, "heartbeat_lost"), _shows(4, "link_down")),
    ),
    Category(name="dependency", place="job", signatures=(Signature(1, "crash"),)),
    Category(
        name="cpu",
        place="node",
        signatures=(_shows(7, "machine_check"), _shows(3, "heartbeat_lost")),
    ),
    Category(
        name="ram",
        place="node",
        signatures=(_shows(7, "machine_check"), _shows(3, "heartbeat_lost")),
    ),
    Category(
        name="power_outage",
        place="node",
        reboot_cures=0.95,
        signatures=(_shows(1, "heartbeat_lost"),),
    ),
    Category(name="hang_node", place="node", signatures=(Signature(1, "hang"),)),
    Category(name="slow_node", place="node", signatures=(Signature(1, "slow"),)),
    Category(name="job_infrastructure", place="job", signatures=(Signature(1, "crash"),)),
)

CATEGORIES = {category.name: category for category in _CATEGORIES}
"""All that may be declared, by name."""

JOB_SIDE = "job_infrastructure"
"""What a run meets apart from its nodes: file systems, schedulers, set-up of its environment."""

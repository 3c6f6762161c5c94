"""Site: how long things take around a cluster, how good its tests are, what they cost.

Everything is in virtual seconds unless the name says otherwise. The hang rule is published; of the
other figures we know no public statistics: they are assumptions that one can change.

Source: no traffic for 10 minutes means a hang (ByteRobust, arXiv:2509.16293).
"""

import msgspec

from swarm.units import CREDIT, Credits


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a site."""

    heartbeat_timeout_s: int = 30
    """Silence after which a node counts as lost."""
    hang_rule_s: int = 600
    """Silence of the fabric after which a run counts as hanging."""
    slow_window_s: int = 1_800
    """Time for which throughput must be low before somebody is told."""
    gather_s: int = 45
    """Time the monitor waits for symptoms that belong to the first. If that is less than a
    heartbeat's timeout, a run that ended because its node did looks as if it ended by itself."""
    diagnosis_s: int = 60
    """Time to look through the symptoms of one incident."""
    aftercare_s: int = 1_200
    """Attention that the nodes of an incident need after the run is under way again."""
    swap_s: int = 60
    """Time until spare nodes have joined a gang."""
    reboot_s: int = 600
    examine_s: int = 900
    """Testing one node."""
    sweep_s: int = 600
    """Testing a whole gang side by side, with shorter tests."""
    test_finds: float = 0.9
    """Probability that a test finds what is broken, in [0, 1]."""
    human_s: int = 3_600
    """Mean time until a human who was called is there; exponential."""
    human_work_s: int = 1_800
    """Time a human needs to find what is wrong."""
    repair_s: int = 172_800
    """Mean time of a repair; uniform between half of it and one and a half times it."""
    new_node_s: int = 604_800
    """Time until a new node is delivered."""
    repair_price: Credits = Credits(5 * CREDIT)
    new_node_price: Credits = Credits(100 * CREDIT)
    fee: Credits = Credits(CREDIT // 10)
    """What a colleague asks for one diagnosis."""
    restart_s: int = 300
    """From the order to start until computing: processes, connections, loading."""
    checkpoint_s: int = 10
    """Time for which training stands still while a checkpoint is taken."""
    corrupt_notice_s: int = 900
    """Mean time until corruption shows in the loss; exponential."""
    slow_share: float = 0.7
    """Throughput of a run with a slow node, of 1."""
    again_s: int = 900
    """An alarm this soon after a restart means that the trouble is back."""
    lemon_blames: int = 3
    """So often must a node have been to blame ..."""
    lemon_window_s: int = 1_209_600
    """... within this time, to be evicted for good."""

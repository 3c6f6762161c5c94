"""RSC-1: a research cluster of 16,000 A100 with jobs of all sizes, and lemons.

Faults of nodes: 6.50 per 1,000 node-days. A job of 8 GPUs fails every 47.7 days and one of 1,024
every 7.9 hours, that is 21 and 24 per 1,000 node-days: what exceeds 6.50 is laid to the job's own
infrastructure. Evicting lemons cut the failures of large jobs (512 GPUs and more) from 14 % to 4 %:
with failures at a constant rate, ``1 - log(1 - .04) / log(1 - .14)`` of all of them, 73 %, went.

Source: "Revisiting Reliability in Large-Scale Machine Learning Research Clusters"
(arXiv:2410.21680). Our assumptions: the 6.50 were counted with the lemons in service; lemons are
1.2 % of the nodes, and have that share of the faults of nodes which makes 73 % of the failures of a
job on the whole cluster theirs (for smaller jobs it is less: more is laid to the job itself); the
shares of categories, not published as numbers, are those of the hardware of Llama 3 405B.
"""

import math

from swarm.gpu.faults.categories import CATEGORIES
from swarm.gpu.faults.hazard import PER_1000, Hazard, Lemons, fit_job_failures
from swarm.gpu.faults.presets.llama3_405b import COUNTS

PER_1000_NODE_DAYS = 6.50
SMALL, LARGE = (1, 47.7 * 24), (128, 7.9)
"""(nodes, hours to failure)."""

HARDWARE = tuple((name, float(count)) for name, count in COUNTS if CATEGORIES[name].place == "node")

JOB_FAILURES = fit_job_failures(PER_1000_NODE_DAYS, small=SMALL, large=LARGE)

CUT = 1 - math.log(1 - 0.04) / math.log(1 - 0.14)
"""What the eviction of lemons took from the failures of large jobs."""
CLUSTER_NODES = 2_000

_AT_NODES = CLUSTER_NODES * PER_1000_NODE_DAYS / PER_1000

HAZARD = Hazard(
    per_node_day=PER_1000_NODE_DAYS / PER_1000,
    shares=HARDWARE,
    job_failures=JOB_FAILURES,
    lemons=Lemons(
        share_of_nodes=0.012,
        share_of_faults=CUT * (_AT_NODES + JOB_FAILURES.per_day(CLUSTER_NODES)) / _AT_NODES,
    ),
)

"""RSC-2: a research cluster of 8,000 A100 that fails less often than RSC-1.

Faults of nodes: 2.34 per 1,000 node-days. For failures of jobs beside those of their nodes and for
lemons the source gives no figures that we know of, so there are none here.

Source: "Revisiting Reliability in Large-Scale Machine Learning Research Clusters"
(arXiv:2410.21680). Our assumption: shares of categories as in ``rsc1``.
"""

from swarm.gpu.faults.hazard import PER_1000, Hazard
from swarm.gpu.faults.presets.rsc1 import HARDWARE

HAZARD = Hazard(per_node_day=2.34 / PER_1000, shares=HARDWARE)

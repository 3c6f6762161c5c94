"""Llama 3 405B: 419 unexpected interruptions of 16,384 H100 (2,048 nodes) in 54 days.

All are counted per node-day, those of software too: the source gives one run of one size. The
counts are used, not the percentages printed beside them, which do not fit.

Source: "The Llama 3 Herd of Models" (arXiv:2407.21783), table 5.
"""

from swarm.gpu.faults.hazard import Hazard

NODES, DAYS = 2_048, 54

COUNTS = (
    ("faulty_gpu", 148),
    ("gpu_hbm3", 72),
    ("software", 54),
    ("switch_cable", 35),
    ("host_maintenance", 32),
    ("gpu_sram", 19),
    ("gpu_system_processor", 17),
    ("nic", 7),
    ("nccl_watchdog", 7),
    ("silent_corruption", 6),
    ("thermal", 6),
    ("ssd", 3),
    ("power_supply", 3),
    ("chassis", 2),
    ("io_board", 2),
    ("dependency", 2),
    ("cpu", 2),
    ("ram", 2),
)

HAZARD = Hazard(
    per_node_day=sum(count for _, count in COUNTS) / (NODES * DAYS),
    shares=tuple((name, float(count)) for name, count in COUNTS),
)

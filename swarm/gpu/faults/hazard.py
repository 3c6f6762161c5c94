"""Hazard: how often what breaks, per node-day and per job-day.

One Poisson rate per node-day cannot fit the published figures of small and large jobs. A run on n
nodes therefore meets ``per_node_day * n`` faults of its nodes a day, and beside them those of the
job itself, ``JobFailures.per_day(n)``: they grow with the job up to the largest size that was
measured, and not beyond it.
"""

import math

import msgspec

from swarm.errors import UsageError
from swarm.gpu.faults.categories import CATEGORIES, JOB_SIDE

PER_1000 = 1_000.0


class JobFailures(msgspec.Struct, frozen=True, kw_only=True):
    """Failures of a job that are not those of its nodes: ``one_node_per_day * n**exponent``."""

    one_node_per_day: float
    exponent: float
    largest_nodes: int
    """The size up to which this was measured; larger jobs have the rate of this one."""

    def per_day(self, nodes: int) -> float:
        """Returns the failures a day of a job on that many nodes."""
        return float(self.one_node_per_day * min(nodes, self.largest_nodes) ** self.exponent)


class Lemons(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that fail again and again, and pass every test in between."""

    share_of_nodes: float
    """In (0, 1)."""
    share_of_faults: float
    """Of all faults of nodes, while nobody evicts; in (0, 1)."""


class Hazard(msgspec.Struct, frozen=True, kw_only=True):
    """All that can go wrong, as rates.

    Raises:
        UsageError: If a rate is negative, a category unknown, or a share outside (0, 1).
    """

    per_node_day: float
    """Faults of an average node, lemons included."""
    shares: tuple[tuple[str, float], ...]
    """(category, weight) of the faults of nodes; weights need not add up to 1."""
    job_failures: JobFailures | None = None
    lemons: Lemons | None = None
    storms_per_day: float = 0.0
    """Times a day that many nodes fail together (power, cooling, a spine switch)."""
    storm_nodes: int = 16

    def __post_init__(self) -> None:
        weights = [weight for _, weight in self.shares]
        rates = [self.per_node_day, self.storms_per_day, *weights]
        if min(rates) < 0 or (self.per_node_day > 0 and not sum(weights) > 0):
            raise UsageError(
                what="rates and weights of faults must be at least 0, and one weight above it,"
                f" came {self.per_node_day} a node-day and weights {weights}"
            )
        for name, _ in self.shares:
            expect_category(name)
        if self.storm_nodes < 1:
            raise UsageError(what=f"a storm needs at least 1 node, came {self.storm_nodes}")
        if self.lemons is not None:
            lemons = (self.lemons.share_of_nodes, self.lemons.share_of_faults)
            if min(lemons) <= 0 or max(lemons) >= 1:
                raise UsageError(what=f"shares of lemons must lie between 0 and 1, came {lemons}")

    @property
    def sound_per_node_day(self) -> float:
        """Faults a day of a node that is no lemon."""
        if self.lemons is None:
            return self.per_node_day
        left = (1 - self.lemons.share_of_faults) / (1 - self.lemons.share_of_nodes)
        return self.per_node_day * left

    @property
    def lemon_per_node_day(self) -> float:
        """Faults a day of a lemon; 0 where there are none."""
        if self.lemons is None:
            return 0.0
        return self.per_node_day * self.lemons.share_of_faults / self.lemons.share_of_nodes

    def run_per_day(self, nodes: int) -> float:
        """Returns the interruptions a day that a run on that many nodes must expect."""
        beside = self.job_failures.per_day(nodes) if self.job_failures else 0.0
        return nodes * self.per_node_day + beside

    def mttf_hours(self, nodes: int) -> float:
        """Returns the mean time to failure of a run on that many nodes; infinite without faults."""
        per_day = self.run_per_day(nodes)
        return 24 / per_day if per_day else math.inf

    def run_shares(self, nodes: int) -> dict[str, float]:
        """Returns the share of each category among the interruptions of such a run."""
        total = sum(weight for _, weight in self.shares) or 1.0
        at_nodes = nodes * self.per_node_day
        rates = {name: at_nodes * weight / total for name, weight in self.shares}
        if self.job_failures:
            beside = self.job_failures.per_day(nodes)
            rates[JOB_SIDE] = rates.get(JOB_SIDE, 0.0) + beside
        whole = sum(rates.values()) or 1.0
        return {name: rate / whole for name, rate in rates.items()}


def fit_job_failures(
    per_1000_node_days: float,
    *,
    small: tuple[int, float],
    large: tuple[int, float],
) -> JobFailures:
    """Fits what is left of two published MTTFs when the faults of nodes are taken off.

    Args:
        per_1000_node_days: Faults of nodes.
        small: (nodes, MTTF in hours) of a small job.
        large: (nodes, MTTF in hours) of a large one; beyond its size the rate is constant.

    Raises:
        UsageError: If the nodes alone fail more often than that.
    """
    left = [24 / hours - nodes * per_1000_node_days / PER_1000 for nodes, hours in (small, large)]
    if min(left) <= 0 or large[0] <= small[0]:
        raise UsageError(
            what="faults of nodes alone exceed the published failures of jobs, or the sizes are"
            f" not ascending: {left} a day are left at {small[0]} and {large[0]} nodes"
        )
    exponent = math.log(left[1] / left[0]) / math.log(large[0] / small[0])
    return JobFailures(
        one_node_per_day=left[0] / small[0] ** exponent,
        exponent=exponent,
        largest_nodes=large[0],
    )


def expect_category(name: str) -> None:
    """Raises ``UsageError``, with the list, for a category that there is not."""
    if name not in CATEGORIES:
        known = ", ".join(CATEGORIES)
        raise UsageError(what=f"no category of faults is named {name!r}; there are {known}")

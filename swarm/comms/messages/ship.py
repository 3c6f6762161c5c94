"""The ship: what the lab runs on now, and how its parts are replaced.

reviewer --Proposed--> integrator        a finding that another actor replicated
integrator --Announced--> everybody      the current parts, with the measured base arm
integrator --Swapped | Declined--> author, replicator, director
integrator --RolledBack--> author, replicator, director
"""

from swarm.kernel.message import ActorId, ContractId, Message

PartValue = str
"""A part's value as canonical JSON text; the pipeline's specs say what is in it."""


class Announced(Message, frozen=True, kw_only=True, tag="ship.announced"):
    """The ship as it is now. ``base_bpb`` are sealed scores of its recipe on fresh seeds.

    Gains in all protocols are losses of before minus losses of after, in the unit of the benchmark
    by which the part is judged; fields are called after the first such unit, bits per byte.
    """

    generation: int
    manifest: str
    """Content hash over all parts."""
    parts: tuple[tuple[str, PartValue], ...]
    base_bpb: tuple[float, ...]
    arms: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """The same by other benchmarks: (benchmark, losses on fresh seeds) pairs."""


class Proposed(Message, frozen=True, kw_only=True, tag="ship.proposed"):
    """A replicated finding, ready to be tried on the current ship."""

    contract: ContractId
    part: str
    value: PartValue
    base: str
    """Manifest hash of the ship it was replicated against."""
    author: ActorId
    gain_bpb: float
    gain_low_bpb: float
    gain_high_bpb: float
    n_replications: int


class Swapped(Message, frozen=True, kw_only=True, tag="ship.swapped"):
    """The part was replaced."""

    contract: ContractId
    part: str
    value: PartValue
    old_hash: str
    new_hash: str
    author: ActorId
    replicator: ActorId
    gain_bpb: float
    gain_low_bpb: float
    gain_high_bpb: float
    n_replications: int


class Declined(Message, frozen=True, kw_only=True, tag="ship.declined"):
    """The part stays: the finding did not hold on the current ship."""

    contract: ContractId
    part: str
    reason: str


class RolledBack(Message, frozen=True, kw_only=True, tag="ship.rolled_back"):
    """A swap turned out to be a regression and was undone."""

    contract: ContractId
    part: str
    from_hash: str
    to_hash: str
    reason: str

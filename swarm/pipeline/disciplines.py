"""Disciplines: by which benchmark a part is judged, and whether its values are trained for it.

A benchmark gives a loss, lower is better, with one value for each block of what it reads; blocks
of two subjects that were scored with one seed are paired.

``bpb``       bits per byte of a pre-trained model on the sealed shard
``unsolved``  share of sealed tasks that a post-trained model does not solve at its first answer
``index``     of a checkpoint: half the share of bits that its pre-trained weights do not predict
              (bits per byte over 8), half the share of tasks that its post-trained weights do not
              solve
``decode``    of a decoder: binary logarithm of its time per byte over that of the ship's decoder
``regret``    of a notebook policy: how far minds that use it stay behind the best value

A *trained* part is judged by models trained on fresh seeds, against an arm of the ship's own; any
other value is scored as it stands, beside the current one on the same blocks.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from swarm.comms.messages import ship
from swarm.pipeline.parts import expect_part

Benchmark: TypeAlias = Literal["bpb", "unsolved", "index", "decode", "regret"]


class Discipline(NamedTuple):
    """How a part is judged."""

    benchmark: Benchmark
    is_trained: bool
    unit: str
    """Of a gain, for people."""


_BITS = Discipline("bpb", is_trained=True, unit="bpb")
_TASKS = Discipline("unsolved", is_trained=True, unit="pass@1")

DISCIPLINES: Mapping[str, Discipline] = {
    "mixture": _BITS,
    "architecture": _BITS,
    "optimizer": _BITS,
    "sft": _TASKS,
    "environments": _TASKS,
    "reward": _TASKS,
    "rl": _TASKS,
    "decoder": Discipline("decode", is_trained=False, unit="doublings of speed"),
    "notebook": Discipline("regret", is_trained=False, unit="regret"),
    "checkpoint": Discipline("index", is_trained=False, unit="index"),
}
"""Of the parts that somebody works on; the others hold their generation-0 value."""

FIRST_TOKENS = "bpb"
"""The benchmark whose arm stands in ``base_bpb`` of an announced ship."""


def discipline(part: str) -> Discipline:
    """Returns how a part is judged.

    Raises:
        UsageError: If there is no such part.
        KeyError: If nobody works on it.
    """
    expect_part(part)
    return DISCIPLINES[part]


def arm(announced: ship.Announced, part: str) -> tuple[float, ...]:
    """Returns the ship's own losses on fresh seeds by which a part is judged; empty without one."""
    benchmark = discipline(part).benchmark
    return announced.base_bpb if benchmark == "bpb" else dict(announced.arms).get(benchmark, ())


def gained(part: str, gain: float) -> str:
    """Returns a gain with its unit, for people."""
    return f"{gain:+.4f} {discipline(part).unit}"

"""What decoding is as data: the settings of a decoder, and the job of its referee.

``DecoderSpec`` is the value of the ship's part ``decoder``. Nothing here needs torch: actors read
this file.
"""

from typing import Literal

from msgspec.structs import replace

from swarm.kernel.message import Message
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE
from swarm.units import Flops

EngineName = Literal["reference", "cached", "grouped", "compiled"]
"""Each is a file of ``swarm.pipeline.inference.engines``."""

ENGINES: tuple[EngineName, ...] = ("reference", "cached", "grouped", "compiled")

Precision = Literal["float32", "float64", "bfloat16"]

Timing = Literal["modelled", "measured"]
"""Where speeds come from: the table ``speeds.json``, or the CPU clock while the referee works.

Under ``measured`` a run can be replayed, but run again it may decide otherwise.
"""

MAX_BATCH = 4_096
"""Answers at once; the cache of a batch is held in memory whole."""

_COMPILED_SLOTS = 32
"""Answers that the compiled engine has in hand at most; ``SLOTS`` of ``native/model.h``."""


class DecoderSpec(Message, frozen=True, kw_only=True, tag="inference.decoder"):
    """How answers are decoded: which engine, and its settings."""

    engine: EngineName
    batch: int = 512
    """Answers decoded at once, in [1, 4096]. Which answers share a batch decides none of them."""
    dtype: Precision = "float32"
    """What weights and sums are held in; ``compiled`` knows ``float32`` only."""
    compact: bool = True
    """Whether answers that are finished leave their batch, so that the others go faster."""

    def problem(self) -> str | None:
        """Returns why nothing can be decoded so, or nothing if it can be tried."""
        if not 1 <= self.batch <= MAX_BATCH:
            return f"batch must be in [1, {MAX_BATCH}], came {self.batch}"
        if self.engine == "compiled" and self.dtype != "float32":
            return f"engine 'compiled' decodes in float32 only, came {self.dtype}"
        return None

    def normal(self) -> "DecoderSpec":
        """Returns the decoder without what has no effect: one spec for all that work alike."""
        if self.engine != "compiled":
            return self
        return replace(self, batch=min(self.batch, _COMPILED_SLOTS), compact=True)


class Referee(Message, frozen=True, kw_only=True, tag="inference.referee"):
    """Check a decoder against another and compare their speeds.

    Answered by ``Refereed`` or ``work.JobFailed`` (``missing`` also where an engine cannot work on
    the machine). Both decode the same fresh prompts with the same uniform numbers, once greedily
    and once at temperature 1; the model in float64 then judges every byte of the candidate.
    """

    artifact: str
    """Hash of the checkpoint that decodes."""
    base: DecoderSpec
    """The decoder in service."""
    candidate: DecoderSpec
    seed: int
    """Draws prompts and answers."""
    kernel_timing: Timing = "modelled"
    n_prompts: int = 24
    per_prompt: int = 4
    max_new: int = 24
    """Bytes of an answer at most; half the model's context where that is less."""
    rounds: int = 9
    """How often both are timed, in turns; under ``measured`` only."""

    def problem(self) -> str | None:
        """Returns why this job makes no sense, or nothing if it can be tried."""
        if min(self.n_prompts, self.per_prompt, self.max_new, self.rounds) < 1:
            return (
                "a referee needs at least 1 prompt, answer, byte and round, came"
                f" {self.n_prompts}, {self.per_prompt}, {self.max_new} and {self.rounds}"
            )
        for name, decoder in (("base", self.base), ("candidate", self.candidate)):
            if found := decoder.problem():
                return f"{name}: {found}"
        return None

    def cost(self) -> Flops:
        """Returns the nominal cost, before it starts; 0 if it cannot start.

        The specification names a checkpoint and not its shape, so the price is that of the shape of
        generation 0: a forward pass is a third of training, and without a cache a byte costs passes
        over half a context. The judge reads everything once.
        """
        if self.problem():
            return Flops(0)
        shape = GENERATION_0_ARCHITECTURE
        n_times = 2 + (self.rounds if self.kernel_timing == "measured" else 0)
        passes = sum(
            n_times * (shape.context // 2 if one.engine == "reference" else 1)
            for one in (self.base, self.candidate)
        )
        n_bytes = self.n_prompts * self.per_prompt * self.max_new
        return Flops(n_bytes * (passes + 2) * shape.flops_per_token() // 3)


class Refereed(Message, frozen=True, kw_only=True, tag="inference.refereed"):
    """What the referee found."""

    n_bytes: int
    """Bytes of the candidate that were judged, those that end answers included."""
    n_near_ties: int
    """Among them those that rounding may decide: the two likeliest choices are within 1e-4."""
    n_mismatched: int
    """Answers that differ from the base's."""
    n_wrong: int
    """Bytes that are not the judge's, and no near-tie excuses them; 0 for an exact decoder."""
    base_rate: float
    """Bytes per CPU-second, the median."""
    candidate_rate: float
    ratio: float
    """Speed of the candidate over that of the base."""
    ratio_low: float
    """Of an interval that covers the true ratio with at least 90 %."""
    ratio_high: float
    kernel_timing: Timing
    refusal: str = ""
    """Why the candidate must not replace the base; empty if it may: exact and surely faster."""


NEAR_TIE = 1e-4
"""Difference of logits, in float64, below which either of two bytes is right."""

MAX_NEAR_TIES = 0.05
"""Share of near-ties above which a model is too undecided to tell decoders apart."""


def refusal(*, n_bytes: int, n_near_ties: int, n_wrong: int, ratio_low: float) -> str:
    """Returns why a candidate must not replace the base, or an empty text if it may."""
    if n_wrong:
        return f"{n_wrong} of {n_bytes} bytes are wrong"
    if n_near_ties > MAX_NEAR_TIES * n_bytes:
        return f"{n_near_ties} of {n_bytes} bytes are near-ties, so this checkpoint shows nothing"
    if not ratio_low > 1:
        return f"not surely faster: the ratio may be as low as {ratio_low:.3g}"
    return ""


GENERATION_0_DECODER = DecoderSpec(engine="reference", batch=64, compact=False)
"""No cache at all: what the kernel engineers start from."""

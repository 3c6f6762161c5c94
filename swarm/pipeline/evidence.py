"""The gate: the sequential test that a claimed improvement must pass before the ship changes.

Measurements are losses in bits per byte: smaller is better, so a gain is base minus candidate. The
gate looks at the evidence at a few fixed sample sizes and nowhere else. At each look it accepts
when "there is no gain" has become implausible at that look's error rate, rejects for futility when
"the gain is at least ``min_effect``" has become implausible, and otherwise asks for more. The
chance that it accepts a change which does nothing is at most the sum of the error rates.

What the test assumes and cannot check: measurements are independent, each from a fresh seed that
no other measurement of either arm used, and none was made to look for the candidate in the first
place (the best of many tries is lucky; its own first score is no evidence).

Measured with the defaults on normal noise of .037 bits per byte (10,000 no-ops, 2,000 gains; base
arm equally long / twice as long): no-ops accepted .006 / .006 after 12 / 9.5 candidate seeds in the
mean, true gains of .05 accepted .98 / .98 after 17 / 13, of .02 .25 / .27. A candidate noisier than
its base, .048 against .027, is the worst case seen: no-ops accepted .011 / .009.

Source: B. L. Welch, "The generalization of 'Student's' problem when several different population
variances are involved", Biometrika 34 (1947). The error rate spent look by look, and intervals at
the level of the look: Jennison and Turnbull, "Group Sequential Methods" (2000), chapters 7 and 9.
"""

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from swarm.errors import InvariantError, UsageError
from swarm.pipeline.student import quantile, survival

Decision: TypeAlias = Literal["accept", "reject", "continue"]

DECIMALS = 6
"""Digits of every number in a verdict: it travels in messages, and messages are compared."""


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the gate looks and how sure it must be. Raises ``UsageError`` if that makes no sense."""

    stages: tuple[int, ...] = (4, 8, 16, 32)
    """Measurements an arm at each look, rising, at least 2: seeds, or blocks when paired."""
    alphas: tuple[float, ...] = (0.001, 0.002, 0.003, 0.004)
    """One-sided error rate of each look; their sum bounds the share of no-ops accepted."""
    futility: float = 0.01
    """One-sided error rate of giving up on a gain that is really ``min_effect``, per look."""
    min_effect: float = 0.05
    """The smallest gain worth finding, in bits per byte."""
    base_per_candidate: int = 2
    """How many times the candidate's number of measurements the base arm may bring at most."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.stages, self.stages[1:], strict=False))
        if not self.stages or self.stages[0] < 2 or not rising:
            raise UsageError(what=f"stages of a gate must rise from at least 2, got {self.stages}")
        if len(self.alphas) != len(self.stages) or not all(0 < a < 0.5 for a in self.alphas):
            what = f"a gate needs one alpha between 0 and 0.5 per stage, got {self.alphas}"
            raise UsageError(what=what)
        if not 0 <= self.futility < 0.5 or not self.min_effect >= 0 or self.base_per_candidate < 1:
            what = (
                "a gate needs 0 <= futility < 0.5, min_effect >= 0 and base_per_candidate >= 1,"
                f" got {self.futility}, {self.min_effect} and {self.base_per_candidate}"
            )
            raise UsageError(what=what)

    def look(self, n: int) -> int:
        """Returns which look ``n`` measurements an arm are enough for, -1 for none yet."""
        return sum(stage <= n for stage in self.stages) - 1

    def next_stage(self, n: int) -> int:
        """Returns how many measurements an arm the next look needs, 0 after the last one."""
        return next((stage for stage in self.stages if stage > n), 0)


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gate says. Numbers are rounded to six decimals and hold for the look's ``n``."""

    decision: Decision
    n: int
    """Candidate measurements the look used; 0 before the first look, when nothing is estimated."""
    n_next: int
    """Measurements an arm that the next look needs; 0 once decided."""
    gain: float
    """Mean of base minus candidate, in bits per byte: positive is better."""
    ci_low: float
    ci_high: float
    """Interval of the gain at confidence 1 - 2 alpha of this look.

    It excludes zero from below exactly when the gate accepts, and over all looks together holds the
    true gain with probability at least 1 - 2 sum(alphas): .98 with the defaults.
    """
    p_value: float
    """One-sided, of "there is no gain"."""
    reason: str


def judge(base: Sequence[float], candidate: Sequence[float], gate: Gate) -> Verdict:
    """Judges whether the candidate is better than the base (Welch, unequal variances).

    Only the latest look that the shorter arm reaches is tested, on the first ``stage`` candidates
    and the first ``stage * base_per_candidate`` of the base, in the order given. More calls between
    two looks therefore see the same data, provided that results are appended, never reordered.

    Args:
        base: Losses of what stands now, one per seed; may be the longer arm, and may serve several
            candidates. Beyond twice the candidate's number it would not help: Welch's degrees of
            freedom fall towards those of the shorter arm.
        candidate: Losses of what is proposed, on other seeds.
        gate: Looks and error rates.

    Raises:
        InvariantError: If a loss is not finite; a diverged run is a failed job, not a measurement.
    """
    return _judge_arms(base, candidate, gate, "better than the base")


def judge_regression(current: Sequence[float], predecessor: Sequence[float], gate: Gate) -> Verdict:
    """Judges whether going back from the current version to its predecessor would be a gain.

    ``accept`` means roll back. The gain is current minus predecessor: what going back would win.
    The same test with the arms in other roles, so the chance to roll back what did no harm is the
    same as the chance to accept what does no good. Needs fresh seeds: those that got the current
    version accepted are lucky ones.
    """
    return _judge_arms(current, predecessor, gate, "worse than its predecessor")


def judge_paired(differences: Sequence[float], gate: Gate) -> Verdict:
    """Judges two checkpoints on the same blocks of text, stages counted in blocks.

    Args:
        differences: Base minus candidate per block, in bits per byte, in an order fixed beforehand
            and random with respect to the text: neighbouring blocks are not independent.
        gate: Looks and error rates; give it stages that suit the number of blocks.

    Raises:
        InvariantError: If a difference is not finite.
    """
    _expect_finite(differences)
    look = gate.look(len(differences))
    if look < 0:
        return _too_few(len(differences), gate)
    sample = differences[: gate.stages[look]]
    mean, variance = _moments(sample)
    return _decide(
        gate,
        look,
        gain=mean,
        error=math.sqrt(variance / len(sample)),
        freedom=len(sample) - 1.0,
        claim="better on the same blocks",
    )


def _judge_arms(
    base: Sequence[float], candidate: Sequence[float], gate: Gate, claim: str
) -> Verdict:
    _expect_finite(base)
    _expect_finite(candidate)
    n = min(len(base), len(candidate))
    look = gate.look(n)
    if look < 0:
        return _too_few(n, gate)
    stage = gate.stages[look]
    gain, error, freedom = _welch(base[: stage * gate.base_per_candidate], candidate[:stage])
    return _decide(gate, look, gain=gain, error=error, freedom=freedom, claim=claim)


def _welch(base: Sequence[float], candidate: Sequence[float]) -> tuple[float, float, float]:
    """Returns the gain, its standard error, and the degrees of freedom after Satterthwaite."""
    mean_base, variance_base = _moments(base)
    mean_candidate, variance_candidate = _moments(candidate)
    of_base, of_candidate = variance_base / len(base), variance_candidate / len(candidate)
    squared = of_base + of_candidate
    if squared == 0.0:
        return mean_base - mean_candidate, 0.0, 1.0
    # Shares, not raw variances: their squares would vanish for spreads below 1e-80.
    share = of_base / squared
    freedom = 1.0 / (share**2 / (len(base) - 1) + (1.0 - share) ** 2 / (len(candidate) - 1))
    return mean_base - mean_candidate, math.sqrt(squared), freedom


def _decide(
    gate: Gate, look: int, *, gain: float, error: float, freedom: float, claim: str
) -> Verdict:
    alpha, n = gate.alphas[look], gate.stages[look]
    p_value = _chance_above(gain, error, freedom)
    hopeless = _chance_above(gate.min_effect - gain, error, freedom)
    reach = error * quantile(alpha, freedom)
    decision: Decision = "continue"
    if p_value < alpha:
        decision, why = "accept", f"{claim}: p {p_value:.2g} is below {alpha:g}"
    elif hopeless < gate.futility:
        decision = "reject"
        why = f"not {claim}: a gain of {gate.min_effect:g} is implausible, p {hopeless:.2g}"
    elif n == gate.stages[-1]:
        decision, why = "reject", f"not shown to be {claim}: p {p_value:.2g} at the last look"
    else:
        why = f"not yet shown to be {claim}: p {p_value:.2g} is not below {alpha:g}"
    return Verdict(
        decision=decision,
        n=n,
        n_next=gate.next_stage(n) if decision == "continue" else 0,
        gain=_rounded(gain),
        ci_low=_rounded(gain - reach),
        ci_high=_rounded(gain + reach),
        p_value=_rounded(p_value),
        reason=f"{why} (n {n}, gain {gain:.4f})",
    )


def _chance_above(distance: float, error: float, freedom: float) -> float:
    """Returns how likely noise alone puts an estimate this far above its hypothesis."""
    if error == 0.0:  # no spread at all: the difference is certain, whichever way it points
        return 0.0 if distance > 0.0 else 1.0
    return survival(distance / error, freedom)


def _too_few(n: int, gate: Gate) -> Verdict:
    return Verdict(
        decision="continue",
        n=0,
        n_next=gate.stages[0],
        gain=0.0,
        ci_low=0.0,
        ci_high=0.0,
        p_value=1.0,
        reason=f"{n} measurements an arm, the first look needs {gate.stages[0]}",
    )


def _moments(sample: Sequence[float]) -> tuple[float, float]:
    """Returns mean and unbiased variance; exact sums, so the order of seeds does not matter."""
    mean = math.fsum(sample) / len(sample)
    return mean, math.fsum((x - mean) ** 2 for x in sample) / (len(sample) - 1)


def _rounded(number: float) -> float:
    return round(number, DECIMALS) + 0.0  # plus zero turns -0.0 into 0.0


def _expect_finite(sample: Sequence[float]) -> None:
    for index, number in enumerate(sample):
        if not math.isfinite(number):
            expected, came = "finite measurements", f"{number} at position {index}"
            raise InvariantError(rule="evidence for the gate", expected=expected, came=came)

"""Values of the parts of post-training: demonstrations, environments, reward, and how to practise.

Generation 0 is weak and sound: a few demonstrations of one easy environment, no practice.

Sources:
    Ranges and defaults: settings that worked on a model of .16 M parameters in a prototype; GRPO
    (arXiv:2402.03300) and expert iteration (arXiv:1705.08439) stand in ``rl.py``.
"""

import math
from typing import Literal

import msgspec
from msgspec.structs import replace

from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.environments.environment import EnvSpec

Algorithm = Literal["none", "grpo", "expert_iteration"]

MAX_EXAMPLES = 32
"""Oracle answers are scarce: they stand for demonstrations that somebody has to write."""
MAX_ENVIRONMENTS = 64
REJECTION_GROUP = 8
"""Answers sampled for each prompt of rejection sampling."""

_MAX_RATE = 1.0


class SftRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Supervised fine-tuning: what is imitated, and how fast.

    The three shares divide the rows of a step. Rejection sampling happens once, halfway: the
    model's own answers to prompts of the environments are kept where the reward is full. ``logged``
    are questions and answers of the lab itself. A source that has nothing to give is left out.
    """

    oracle: float = 1.0
    rejected: float = 0.0
    logged: float = 0.0
    examples: int
    """Oracle examples of each environment, in [1, 32]."""
    rejection_prompts: int = 128
    """Prompts of rejection sampling, 8 answers each; in [1, 1024]."""
    rows: int
    """Examples per step, in [4, 512]."""
    lr: float
    """Of Muon, for matrices; falls linearly to 0."""
    adam_lr: float
    """Of AdamW, for all else; falls linearly to 0."""

    def problem(self) -> str | None:
        """Returns why nobody can be taught so, or nothing if one can."""
        shares = (self.oracle, self.rejected, self.logged)
        if not all(math.isfinite(share) and share >= 0 for share in shares) or not sum(shares) > 0:
            return f"shares must be finite, at least 0 and not all 0, came {shares}"
        return (
            _out_of(self.examples, 1, MAX_EXAMPLES, "examples of an environment")
            or _out_of(self.rejection_prompts, 1, 1_024, "prompts of rejection sampling")
            or _out_of(self.rows, 4, 512, "rows of a step")
            or _bad_rates(self.lr, self.adam_lr)
        )

    def normal(self) -> "SftRecipe":
        """Returns the recipe without what has no effect: the scale of shares, unused settings."""
        total = self.oracle + self.rejected + self.logged
        return replace(
            self,
            oracle=round(self.oracle / total, 6),
            rejected=round(self.rejected / total, 6),
            logged=round(self.logged / total, 6),
            rejection_prompts=self.rejection_prompts if self.rejected else 1,
        )


class Weighted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An environment, and how often it is read."""

    spec: EnvSpec
    weight: float = 1.0
    """Above 0; need not sum to one."""

    def problem(self) -> str | None:
        """Returns why nothing can be learned from it, or nothing if something can."""
        if not (math.isfinite(self.weight) and self.weight > 0):
            return f"the weight of an environment must be above 0, came {self.weight}"
        return self.spec.problem()


class EnvironmentSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which environments are read and practised, 1 to 64, each once."""

    environments: tuple[Weighted, ...]

    def problem(self) -> str | None:
        """Returns why this is no set of environments, or nothing if it is one."""
        if not 1 <= len(self.environments) <= MAX_ENVIRONMENTS:
            return f"expected 1 to {MAX_ENVIRONMENTS} environments, came {len(self.environments)}"
        if len(set(self.specs)) < len(self.environments):
            return "an environment stands twice in the set; give it a larger weight instead"
        return next((found for one in self.environments if (found := one.problem())), None)

    @property
    def specs(self) -> tuple[EnvSpec, ...]:
        """The environments without their weights, in the same order."""
        return tuple(one.spec for one in self.environments)

    @property
    def shares(self) -> tuple[float, ...]:
        """The weights, scaled to sum to one."""
        largest = max(one.weight for one in self.environments)  # before summing: sums may overflow
        scaled = [one.weight / largest for one in self.environments]
        return tuple(weight / sum(scaled) for weight in scaled)

    def normal(self) -> "EnvironmentSet":
        """Returns the set without what means nothing: scale of weights and order."""
        pairs = zip(self.specs, self.shares, strict=True)
        shared = [Weighted(spec=spec, weight=round(share, 6)) for spec, share in pairs]
        return EnvironmentSet(environments=tuple(sorted(shared, key=canonical_json)))


class RewardRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an answer earns, from the score that its environment's verifier gave it.

    With both settings at 0 the reward is the outcome: the score and nothing else.
    """

    partial: float = 0.0
    """Credit for a wrong answer, in [0, .9]: times the share of the true answer that it begins
    with, times what is missing to a full score."""
    length: float = 0.0
    """Taken off for each byte beyond the length of the true answer, in [0, 1]."""

    def problem(self) -> str | None:
        """Returns why this is no reward, or nothing if it is one."""
        return _out_of(self.partial, 0.0, 0.9, "partial credit") or _out_of(
            self.length, 0.0, 1.0, "what a superfluous byte costs"
        )


class RlRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Practice in environments. A round is one batch of rollouts and the updates made from it.

    ``grpo`` makes one update a round, from all groups whose answers earned differently. With
    ``expert_iteration`` right answers go into a buffer, and ``updates`` batches of ``rows`` are
    read from it. Every update of either reads ``replay`` oracle examples too.
    """

    algorithm: Algorithm
    share: float
    """Of the budget; what is left is for supervised fine-tuning. In (0, 1], unless ``none``."""
    prompts: int
    """Per round, in [4, 512]."""
    group: int
    """Answers per prompt, in [2, 32]."""
    lr: float
    """Of Muon, for matrices; falls linearly to 0."""
    adam_lr: float
    """Of AdamW, for all else; falls linearly to 0."""
    replay: int
    """Oracle examples in every update, in [0, 256]."""
    temperature: float = 1.0
    """Of the rollouts, in [.1, 2]."""
    is_adaptive: bool = True
    """Whether environments are practised more the nearer their pass rate is to a half."""
    updates: int = 6
    """Per round of expert iteration, in [1, 32]."""
    rows: int = 64
    """Read from the buffer in each of these, in [4, 512]."""
    keep: int = 2
    """Different right answers kept of a prompt and round, in [1, 32]."""
    buffer: int = 4_000
    """The newest right answers, in [64, 65536]."""

    def problem(self) -> str | None:
        """Returns why nobody can practise so, or nothing if one can."""
        if self.algorithm != "none" and not 0 < self.share <= 1:
            return f"the share of the budget must be in (0, 1], came {self.share}"
        return (
            _out_of(self.prompts, 4, 512, "prompts of a round")
            or _out_of(self.group, 2, 32, "answers of a prompt")
            or _out_of(self.replay, 0, 256, "oracle examples of an update")
            or _out_of(self.temperature, 0.1, 2.0, "the temperature")
            or _out_of(self.updates, 1, 32, "updates of a round")
            or _out_of(self.rows, 4, 512, "rows of an update")
            or _out_of(self.keep, 1, 32, "answers kept of a prompt")
            or _out_of(self.buffer, 64, 65_536, "the buffer")
            or _bad_rates(self.lr, self.adam_lr)
        )

    def normal(self) -> "RlRecipe":
        """Returns the recipe without settings that its algorithm does not read."""
        unread = GENERATION_0_RL
        match self.algorithm:
            case "none":
                return unread
            case "grpo":
                return replace(
                    self,
                    updates=unread.updates,
                    rows=unread.rows,
                    keep=unread.keep,
                    buffer=unread.buffer,
                )
            case "expert_iteration":
                return self


def _out_of(value: float, low: float, high: float, what: str) -> str | None:
    # NaN fails the comparison, as it should.
    return None if low <= value <= high else f"{what} must be in [{low}, {high}], came {value}"


def _bad_rates(lr: float, adam_lr: float) -> str | None:
    if 0 < lr <= _MAX_RATE and 0 < adam_lr <= _MAX_RATE:
        return None
    return f"learning rates must be in (0, {_MAX_RATE:g}], came {lr} and {adam_lr}"


GENERATION_0_SFT = SftRecipe(examples=8, rows=32, lr=0.005, adam_lr=0.001)

GENERATION_0_ENVIRONMENTS = EnvironmentSet(
    environments=(Weighted(spec=EnvSpec(family="copy", difficulty=1)),)
)

GENERATION_0_REWARD = RewardRule()

GENERATION_0_RL = RlRecipe(
    algorithm="none", share=0.0, prompts=32, group=4, lr=0.002, adam_lr=0.0005, replay=0
)

GRPO = RlRecipe(
    algorithm="grpo", share=0.8, prompts=96, group=8, lr=0.004, adam_lr=0.001, replay=32
)
"""Settings that worked at this size."""

EXPERT_ITERATION = RlRecipe(
    algorithm="expert_iteration",
    share=0.8,
    prompts=128,
    group=8,
    lr=0.02,
    adam_lr=0.005,
    replay=32,
)
"""Settings that worked at this size; at half these rates .07 less pass@1 was reached."""

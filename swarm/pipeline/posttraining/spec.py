"""What post-training jobs are: a start, four parts of the ship, a budget in steps; and the exam.

Recipes are compared at equal cost. The budget says how many *reference steps* may be paid, updates
on 64 rows of 24 bytes; how many steps of fine-tuning and how many rounds of practice that makes
follows from the recipes. So a recipe cannot win by asking for more. Costs are nominal and known
beforehand: rows and answers count with the mean length of a few tasks of each environment, and a
sampled byte costs ``rollout_price`` forward passes, because decoding makes worse use of a processor
than training; a faster decoder lowers that price, and more rounds fit.
"""

from functools import lru_cache

from swarm.kernel.message import Message
from swarm.pipeline.inference.spec import DecoderSpec
from swarm.pipeline.posttraining.environments.environment import EnvSpec, make_task
from swarm.pipeline.posttraining.recipes import (
    REJECTION_GROUP,
    EnvironmentSet,
    RewardRule,
    RlRecipe,
    SftRecipe,
)
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE, Architecture
from swarm.units import Flops, Tokens

REFERENCE_ROWS = 64
REFERENCE_ROW_BYTES = 24

ROLLOUT_PRICE = 2.0
"""Forward passes, as training makes them, in whose time the grouped decoder samples a byte."""

GRPO_SHARE = 0.3
"""Of all groups, those whose answers earn differently, and are learned from; about."""

FASTEST = DecoderSpec(engine="grouped")

N_PROMPTS = 24
"""Prompts of each environment in an exam, unless there is a reason for another number."""
N_SAMPLES = 8
PASS_K = 8


class PostTrain(Message, frozen=True, kw_only=True, tag="posttraining.post_train"):
    """Fine-tune, then practise. Answered by ``PostTrained`` or ``work.JobFailed``."""

    architecture: Architecture
    """Shape of the start; costs follow from it. A checkpoint of another shape is invalid."""
    artifact: str = ""
    """Hash of the checkpoint to start from; if empty, fresh weights are drawn."""
    sft: SftRecipe
    environments: EnvironmentSet
    reward: RewardRule
    rl: RlRecipe
    decoder: DecoderSpec = FASTEST
    logged: str = ""
    """Hash of an artifact of questions and answers, one JSON object a line; may be empty."""
    steps: int
    """Budget in reference steps, at least 1."""
    seed: int
    """Draws weights, tasks, rows and answers."""
    rollout_price: float = ROLLOUT_PRICE

    def problem(self) -> str | None:
        """Returns why this job makes no sense, or nothing if it can be tried."""
        if self.steps < 1:
            return f"the budget must be at least 1 step, came {self.steps}"
        if not 0 < self.rollout_price < 1e6:
            return f"the price of a sampled byte must be above 0, came {self.rollout_price}"
        parts = (
            self.architecture, self.sft, self.environments, self.reward, self.rl, self.decoder
        )  # fmt: skip
        if found := next((found for part in parts if (found := part.problem())), None):
            return found
        if self.n_sft_steps + self.n_rounds == 0:
            return f"{self.steps} reference steps pay for no step and no round of this recipe"
        return None

    @property
    def n_rounds(self) -> int:
        """Rounds of practice that the budget pays for."""
        if self.rl.algorithm == "none":
            return 0
        return int(self.rl.share * self._budget() / self._round_flops())

    @property
    def n_sft_steps(self) -> int:
        """Updates on examples that are paid from what the rounds leave over."""
        left = self._budget() - self.n_rounds * self._round_flops()
        if self.sft.rejected:
            left -= self._sampling_flops(self.sft.rejection_prompts, REJECTION_GROUP)
        if self.n_rounds and self.rl.share == 1.0:
            return 0  # what is left is a rest of rounding, too little for anything but noise
        return max(0, int(left / self._rows_flops(self.sft.rows)))

    def cost(self) -> Flops:
        """Returns what the job will cost, before it starts; 0 if it cannot start."""
        if self.problem():
            return Flops(0)
        cost = self.n_rounds * self._round_flops()
        cost += self.n_sft_steps * self._rows_flops(self.sft.rows)
        if self.sft.rejected and self.n_sft_steps:
            cost += self._sampling_flops(self.sft.rejection_prompts, REJECTION_GROUP)
        return Flops(round(cost))

    def _budget(self) -> float:
        per_step = REFERENCE_ROWS * REFERENCE_ROW_BYTES * self.architecture.flops_per_token()
        return float(self.steps * per_step)

    def _round_flops(self) -> float:
        rl = self.rl
        cost = self._sampling_flops(rl.prompts, rl.group)
        if rl.algorithm == "grpo":
            prompt, answer = mean_lengths(self.environments)
            # The answers of a group are read behind one prompt.
            learned = GRPO_SHARE * rl.prompts * (prompt + rl.group * answer)
            cost += learned * self.architecture.flops_per_token()
            return cost + self._rows_flops(rl.replay)
        return cost + rl.updates * self._rows_flops(rl.rows + rl.replay)

    def _rows_flops(self, rows: float) -> float:
        prompt, answer = mean_lengths(self.environments)
        return rows * (prompt + answer) * self.architecture.flops_per_token()

    def _sampling_flops(self, prompts: int, group: int) -> float:
        prompt, answer = mean_lengths(self.environments)
        forward = self.architecture.flops_per_token() / 3
        return prompts * forward * (prompt + group * answer * self.rollout_price)


class PostTrained(Message, frozen=True, kw_only=True, tag="posttraining.post_trained"):
    """The model exists: a safetensors file with its architecture in the metadata."""

    artifact: str
    """SHA-256 of the file, under which the workbench holds it."""
    sft_steps: int
    rounds: int
    examples: int
    """Different examples that were imitated: oracle, rejected and logged ones."""
    sft_loss: float
    """Bits per byte of answer over the last steps of fine-tuning; 0 without such steps."""
    mean_reward: float
    """Over the last rounds of practice, in [0, 1]; 0 without rounds."""
    mean_exact: float
    """Share of the same answers that were the true one. A reward far above it is being hacked."""
    tokens_sampled: Tokens
    tokens_trained: Tokens
    """Bytes in rows that updates read, prompts included, padding not."""
    n_params: int


class Solve(Message, frozen=True, kw_only=True, tag="posttraining.solve"):
    """Examine a checkpoint on held-out prompts. Answered by ``Solved`` or ``work.JobFailed``.

    An answer counts if it is the true one and ended, whatever the verifier of the environment says.
    Two checkpoints examined with one seed see the same prompts: their ``block_pass`` are paired.
    """

    artifact: str
    architecture: Architecture = GENERATION_0_ARCHITECTURE
    """Only for the price."""
    environments: tuple[EnvSpec, ...]
    n_prompts: int = N_PROMPTS
    """Of each environment, at least 1."""
    n_samples: int = N_SAMPLES
    """Answers to each prompt at temperature 1, at least 8."""
    decoder: DecoderSpec = FASTEST
    seed: int
    """Draws prompts and answers."""

    def problem(self) -> str | None:
        """Returns why this is no exam, or nothing if it is one."""
        if not self.environments:
            return "an exam needs at least one environment"
        if self.n_prompts < 1 or self.n_samples < PASS_K:
            return (
                f"an exam needs at least 1 prompt and {PASS_K} answers to each,"
                f" came {self.n_prompts} and {self.n_samples}"
            )
        if problem := self.architecture.problem() or self.decoder.problem():
            return problem
        return next((found for one in self.environments if (found := one.problem())), None)

    def cost(self) -> Flops:
        """Returns what the exam will cost, before it starts; 0 if it cannot start."""
        if self.problem():
            return Flops(0)
        forward = self.architecture.flops_per_token() / 3
        lengths = [task_lengths(one) for one in self.environments]
        bytes_each = sum(
            prompt + self.n_samples * answer * ROLLOUT_PRICE for prompt, answer in lengths
        )
        return Flops(round(self.n_prompts * forward * bytes_each))


class Solved(Message, frozen=True, kw_only=True, tag="posttraining.solved"):
    """Shares of answers that are right, in [0, 1]; every environment counts the same."""

    pass_1: float
    pass_8: float
    cell_pass_1: tuple[float, ...]
    """Of each environment, in the order of the exam."""
    cell_pass_8: tuple[float, ...]
    block_pass: tuple[float, ...]
    """pass@1 of each block; a block is one prompt of every environment, so blocks are alike."""
    n_prompts: int
    """In all environments together."""
    tokens_sampled: Tokens


def mean_lengths(environments: EnvironmentSet) -> tuple[float, float]:
    """Returns the mean bytes of prompt and answer (line end included), by weight; nominal."""
    lengths = [task_lengths(one) for one in environments.specs]
    weighted = list(zip(environments.shares, lengths, strict=True))
    prompt = sum(share * one for share, (one, _) in weighted)
    return prompt, sum(share * one for share, (_, one) in weighted)


@lru_cache(maxsize=4_096)
def task_lengths(spec: EnvSpec) -> tuple[float, float]:
    """Returns bytes of prompt and answer (line end included) of an environment: a mean of 4."""
    tasks = [make_task(spec, seed) for seed in range(4)]
    n_prompt = sum(len(task.prompt) for task in tasks)
    return n_prompt / len(tasks), sum(len(task.answer) + 1 for task in tasks) / len(tasks)

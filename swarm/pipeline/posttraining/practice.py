"""One post-training job at work: its model, its random numbers, what it read. Workers only.

Everything random is drawn from generators and streams made of the seed. On one machine the same
specification gives the same weights to the bit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from swarm.errors import SwarmError
from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.data import Example, oracle_examples, practice_tasks
from swarm.pipeline.posttraining.reading import bits
from swarm.pipeline.posttraining.recipes import REJECTION_GROUP
from swarm.pipeline.posttraining.rl import Buffer, Pace, policy_gradient
from swarm.pipeline.posttraining.rollouts import Group, roll_out
from swarm.pipeline.posttraining.sft import Pool, imitate, n_bytes, rows_by_source, updater
from swarm.pipeline.posttraining.spec import PostTrain
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.run import seeded

SEGMENT_STEPS = 20
"""Updates between looks at the loss; also what the reported loss is averaged over."""
SEGMENT_ROUNDS = 10
"""Rounds that the reported reward is averaged over."""


@dataclass(eq=False, kw_only=True)
class DivergedError(SwarmError):
    """The loss, or a weight, is no number any more."""

    step: int
    """Updates made before it was noticed."""
    loss: float

    def __str__(self) -> str:
        return f"loss {self.loss:.4g} nats per byte of answer, it or a weight is not finite"


class Practice:
    """A model on its way from its start to what the job makes of it.

    Args:
        spec: The job; must have no problem.
        model: Its start; is changed in place.
        logged: Examples of the lab's own records; may be empty.

    Raises:
        UsageError: If the environments give no tasks for this model.
    """

    def __init__(self, spec: PostTrain, model: Transformer, logged: Sequence[Example]) -> None:
        self._spec = spec
        self._model = model
        self._context = model.shape.context
        self._weights = spec.environments.shares
        oracle = oracle_examples(
            spec.environments,
            per_cell=spec.sft.examples,
            context=self._context,
            seed=spec.seed,
        )
        self._oracle = Pool(oracle, self._weights, seeded(spec.seed, "oracle rows"))
        self._logged = Pool([logged], [1.0], seeded(spec.seed, "logged rows"))
        self._rejected = Pool([[]], [1.0], seeded(spec.seed, "rejected rows"))
        self._stream = Stream(seed=spec.seed, owner="posttraining", name="practice")
        self._step = 0
        self._recent: list[Tensor] = []
        self._taken = 0
        self.sft_loss = 0.0
        self.rewards: list[float] = []
        """Mean reward of each round, and beside it the share of exact answers."""
        self.exacts: list[float] = []
        self.tokens_sampled = 0
        self.tokens_trained = 0

    @property
    def n_examples(self) -> int:
        """Different examples that may have been imitated, the buffer's included."""
        pools = (self._oracle, self._rejected, self._logged)
        return sum(len(pool.examples) for pool in pools) + self._taken

    def fine_tune(self) -> None:
        """Makes all steps of supervised fine-tuning.

        Raises:
            DivergedError: If the loss, or a weight, is not finite.
        """
        recipe, n_steps = self._spec.sft, self._spec.n_sft_steps
        rates = updater(self._model, lr=recipe.lr, adam_lr=recipe.adam_lr)
        pools = (self._oracle, self._rejected, self._logged)
        weights = (recipe.oracle, recipe.rejected, recipe.logged)
        counts = rows_by_source(pools, weights, recipe.rows)
        for step in range(n_steps):
            if recipe.rejected and step == n_steps // 2:
                self._rejected = self._sample_right_answers()
                pools = (self._oracle, self._rejected, self._logged)
                counts = rows_by_source(pools, weights, recipe.rows)
            rows = [one for pool, n in zip(pools, counts, strict=True) for one in pool.draw(n)]
            if rows:  # only rejected answers are asked for, and there are none yet
                loss = imitate(self._model, rows)
                rates.step(step, n_steps)
                self._note(loss, n_bytes(rows))
        self._look()
        self.sft_loss = bits(torch.stack(self._recent)) if self._recent else 0.0

    def practise(self) -> None:
        """Makes all rounds of practice.

        Raises:
            DivergedError: If the loss, or a weight, is not finite.
        """
        recipe, n_rounds = self._spec.rl, self._spec.n_rounds
        pace = Pace(self._weights, is_adaptive=recipe.is_adaptive)
        rates = updater(self._model, lr=recipe.lr, adam_lr=recipe.adam_lr)
        buffer = Buffer(recipe, seeded(self._spec.seed, "buffer rows"))
        for done in range(n_rounds):
            cells = pace.draw(recipe.prompts, self._stream)
            groups = self._roll_out(cells, recipe.group, recipe.temperature)
            pace.learn(groups)
            self._score(groups)
            if recipe.algorithm == "grpo":
                replay = self._oracle.draw(recipe.replay)
                loss, n_read = policy_gradient(self._model, groups, replay)
                if n_read:  # not when all groups earned alike and nothing is replayed
                    rates.step(done, n_rounds)
                    self._note(loss, n_read)
                continue
            buffer.take(groups)
            for update in range(recipe.updates):
                rows = buffer.draw() + self._oracle.draw(recipe.replay)
                if rows:
                    loss = imitate(self._model, rows)
                    rates.step(done * recipe.updates + update, n_rounds * recipe.updates)
                    self._note(loss, n_bytes(rows))
        self._taken = buffer.n_taken
        self._look()

    def _roll_out(self, cells: Sequence[int], per_task: int, temperature: float) -> list[Group]:
        spec = self._spec
        groups = roll_out(
            self._model,
            spec.environments.specs,
            practice_tasks(spec.environments, cells, context=self._context, stream=self._stream),
            rule=spec.reward,
            per_task=per_task,
            temperature=temperature,
            decoder=spec.decoder,
            seed=self._stream.integer(2**62),
        )
        self.tokens_sampled += sum(len(one.text) for group in groups for one in group.rollouts)
        return groups

    def _sample_right_answers(self) -> Pool:
        """Returns the model's own answers of full reward, the environments by their weight."""
        pace = Pace(self._weights, is_adaptive=False)
        cells = pace.draw(self._spec.sft.rejection_prompts, self._stream)
        groups = self._roll_out(cells, REJECTION_GROUP, 1.0)
        found = dict.fromkeys(
            Example(group.placed.task.prompt.encode(), one.text)
            for group in groups
            for one in group.rollouts
            if one.reward >= 1.0
        )
        return Pool([list(found)], [1.0], seeded(self._spec.seed, "rejected rows"))

    def _score(self, groups: Sequence[Group]) -> None:
        rollouts = [one for group in groups for one in group.rollouts]
        if rollouts:
            self.rewards.append(sum(one.reward for one in rollouts) / len(rollouts))
            self.exacts.append(sum(one.is_exact for one in rollouts) / len(rollouts))

    def _note(self, loss: Tensor, n_read: int) -> None:
        self._recent = [*self._recent[-SEGMENT_STEPS + 1 :], loss]
        self.tokens_trained += n_read
        self._step += 1
        if self._step % SEGMENT_STEPS == 0:
            self._look()

    def _look(self) -> None:
        loss = float(torch.stack(self._recent).mean()) if self._recent else 0.0
        # Weights too: with nothing to learn from there may be no loss that shows it.
        is_sound = all(bool(one.isfinite().all()) for one in self._model.parameters())
        if not (math.isfinite(loss) and is_sound):
            raise DivergedError(step=self._step, loss=loss)

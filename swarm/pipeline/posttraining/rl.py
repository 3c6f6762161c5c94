"""Practice in environments, by GRPO or by expert iteration: imported by workers only.

Legend of suffixes: B prompts of one length, G answers of a prompt, A bytes of an answer.

Sources:
    GRPO: DeepSeekMath (arXiv:2402.03300), section 4.1, with the normalisation over all bytes of a
    batch of DAPO (arXiv:2503.14476), section 3.3. Expert iteration: Anthony et al.
    (arXiv:1705.08439), in the form of STaR (arXiv:2203.14465).
Deviations: no reference model and no KL term; one update a batch, so nothing is clipped; groups of
equal rewards are skipped, not sampled again; environments are drawn by p (1 - p); every update also
imitates oracle examples, by the share of the rows that they are.
"""

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.data import Example
from swarm.pipeline.posttraining.reading import answer_nats, packed_nats
from swarm.pipeline.posttraining.recipes import RlRecipe
from swarm.pipeline.posttraining.rollouts import Group
from swarm.pipeline.pretraining.model import Transformer

_CHUNK_GROUPS = 24
"""Groups read at once: what lies in a processor's cache is faster."""
_LEAST_WEIGHT = 0.02
"""Of p (1 - p): an environment that is never or always solved is still looked at."""
_MEMORY = 0.8
"""What a pass rate keeps of itself when a round adds to it."""


def group_advantage(reward_GK: Tensor) -> Tensor:
    """Centres rewards within each group of rollouts of a prompt, and scales them to deviation 1.

    Args:
        reward_GK: Rewards in [0, 1].

    Returns:
        Advantages, same shape. A group of equal rewards gives zeros.

    Shape:
        G prompts, K rollouts per prompt, K at least 2.

    Source:
        GRPO, DeepSeekMath (arXiv:2402.03300), section 4.1.
    """
    centred_GK = reward_GK - reward_GK.mean(dim=1, keepdim=True)
    deviation_G1 = centred_GK.square().mean(dim=1, keepdim=True).sqrt()
    return torch.where(deviation_G1 > 1e-6, centred_GK / deviation_G1.clamp(min=1e-6), 0.0)


class Pace:
    """Which environments are practised: by weight, and the more the nearer to a pass rate of half.

    Args:
        weights: Of the environments, above 0.
        is_adaptive: If not, by weight alone.
    """

    def __init__(self, weights: Sequence[float], *, is_adaptive: bool) -> None:
        self._weights = tuple(weights)
        self._is_adaptive = is_adaptive
        self._rates = [0.5] * len(self._weights)

    def draw(self, count: int, stream: Stream) -> list[int]:
        """Returns so many places of environments, in order; systematic, so that shares are met."""
        chances = [
            weight * (max(_LEAST_WEIGHT, rate * (1 - rate)) if self._is_adaptive else 1.0)
            for weight, rate in zip(self._weights, self._rates, strict=True)
        ]
        stride = sum(chances) / count
        drawn: list[int] = []
        aim, passed = stream.random() * stride, 0.0
        for place, chance in enumerate(chances):
            passed += chance
            while aim < passed and len(drawn) < count:
                drawn.append(place)
                aim += stride
        return drawn

    def learn(self, groups: Sequence[Group]) -> None:
        """Takes in the mean reward of each environment that was practised."""
        for cell in sorted({group.placed.cell for group in groups}):
            seen = [
                one.reward
                for group in groups
                if group.placed.cell == cell
                for one in group.rollouts
            ]
            mean = sum(seen) / len(seen)
            self._rates[cell] = _MEMORY * self._rates[cell] + (1 - _MEMORY) * mean


def policy_gradient(
    model: Transformer, groups: Sequence[Group], replay: Sequence[Example]
) -> tuple[Tensor, int]:
    """Adds the gradient of one batch: answers by advantage, and oracle examples by imitation.

    Args:
        model: Gradients are added to its parameters.
        groups: Answers as this very model sampled them.
        replay: Oracle examples, in all groups' stead if none of these teaches anything.

    Returns:
        The loss, in nats per byte (of no meaning but whether it is finite), and the bytes read.

    Source:
        The module docstring. The two losses are weighted by rows: answers that are learned from
        against oracle examples.
    """
    taught = [group for group in groups if len({one.reward for one in group.rollouts}) > 1]
    n_answers = sum(len(group.rollouts) for group in taught)
    n_bytes = sum(len(one.text) for group in taught for one in group.rollouts)
    read = n_bytes + sum(len(group.placed.task.prompt) for group in taught)
    practised = n_answers / max(1, n_answers + len(replay))
    total = torch.zeros(())
    for chunk in _alike(taught):
        reward_BG = torch.tensor([[one.reward for one in group.rollouts] for group in chunk])
        nats_BGA = packed_nats(
            model,
            [group.placed.task.prompt.encode() for group in chunk],
            [[one.text for one in group.rollouts] for group in chunk],
        )
        weighed = (group_advantage(reward_BG)[:, :, None] * nats_BGA).sum()
        loss = practised * weighed / n_bytes
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    if replay:
        loss = (1 - practised) * answer_nats(model, replay).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return total, read + sum(len(one.prompt) + len(one.answer) for one in replay)


def _alike(groups: Sequence[Group]) -> list[list[Group]]:
    """Returns chunks of groups with prompts of one length, long answers apart from short ones."""
    by_length: dict[int, list[Group]] = {}
    for group in groups:
        by_length.setdefault(len(group.placed.task.prompt), []).append(group)
    chunks = []
    for length in sorted(by_length):
        # Stable: groups of equal length keep the order in which they were drawn.
        alike = sorted(by_length[length], key=_longest)
        chunks += [
            alike[start : start + _CHUNK_GROUPS] for start in range(0, len(alike), _CHUNK_GROUPS)
        ]
    return chunks


def _longest(group: Group) -> int:
    return max(len(one.text) for one in group.rollouts)


class Buffer:
    """The newest right answers of expert iteration; the oldest make room."""

    def __init__(self, recipe: RlRecipe, generator: torch.Generator) -> None:
        self._recipe = recipe
        self._generator = generator
        self._kept: deque[Example] = deque(maxlen=recipe.buffer)
        self.n_taken = 0

    def take(self, groups: Sequence[Group]) -> None:
        """Keeps of each prompt a few different answers of full reward, those sampled first."""
        for group in groups:
            prompt = group.placed.task.prompt.encode()
            # A dict keeps the order in which answers were sampled, a set would not.
            right = dict.fromkeys(one.text for one in group.rollouts if one.reward >= 1.0)
            kept = [Example(prompt, answer) for answer in right][: self._recipe.keep]
            self._kept.extend(kept)
            self.n_taken += len(kept)

    def draw(self) -> list[Example]:
        """Returns the rows of one update, drawn with replacement; none while it is empty."""
        if not self._kept:
            return []
        rows = self._recipe.rows
        drawn = torch.randint(len(self._kept), (rows,), generator=self._generator)
        return [self._kept[place] for place in drawn.tolist()]

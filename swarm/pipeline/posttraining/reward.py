"""What an answer earns: the score of its environment's verifier, with credit and costs on top."""

from swarm.pipeline.posttraining.environments.environment import EnvSpec, Task, verify
from swarm.pipeline.posttraining.recipes import RewardRule


def reward(rule: RewardRule, spec: EnvSpec, task: Task, answer: str, *, has_ended: bool) -> float:
    """Returns the reward of an answer, in [0, 1].

    Args:
        rule: Part of the ship.
        spec: Environment of the task; its verifier gives the score.
        task: Question and true answer.
        answer: Without its line end.
        has_ended: Whether the model ended the answer itself; one that did not has score 0.
    """
    score = verify(spec, task, answer) if has_ended else 0.0
    score += rule.partial * (1.0 - score) * _begun(task.answer, answer)
    excess = max(0, len(answer) - len(task.answer))
    return min(1.0, max(0.0, score - rule.length * excess))


def _begun(true: str, answer: str) -> float:
    """Returns the share of the true answer that an answer begins with."""
    n_right = 0
    for wanted, came in zip(true, answer, strict=False):
        if wanted != came:
            break
        n_right += 1
    return n_right / len(true)

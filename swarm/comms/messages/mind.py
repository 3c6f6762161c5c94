"""Questions to minds and their answers.

A question carries everything its answer may depend on: history, recalled notes, and the choices.
Question, context, answer and later outcome are rows of the log: the lab's trajectories. The later
outcome is a ``finding.trial`` or ``finding.reviewed`` whose chain of causes leads to the answer.
"""

from swarm.comms.messages.finding import Trial
from swarm.comms.messages.ship import PartValue
from swarm.kernel.message import Message


class ProposePart(Message, frozen=True, kw_only=True, tag="mind.propose_part"):
    """What should be tried next for this part?"""

    part: str
    current: PartValue
    history: tuple[Trial, ...]
    """What was tried before, oldest first, own trials and those that neighbours told."""
    notes: tuple[str, ...]
    """Lines of the notebook that seem relevant, within the context budget."""
    seed: int
    """From the asking actor's stream: makes the answer a pure function of the question."""


class Practise(Message, frozen=True, kw_only=True, tag="mind.practise"):
    """How far would a mind with these notes stay behind? On tasks with a known best value."""

    policy: PartValue
    """Of the part ``notebook``."""
    seed: int
    """Chooses the tasks: equal seeds are equal tasks."""
    n_tasks: int


class Practised(Message, frozen=True, kw_only=True, tag="mind.practised"):
    """The regret on each task, in [0, 1]: 0 is the best value of a task, 1 a random one's."""

    regrets: tuple[float, ...]


class PartProposed(Message, frozen=True, kw_only=True, tag="mind.part_proposed"):
    """Try this value; empty when the mind has nothing left to propose."""

    part: str
    value: PartValue
    reason: str

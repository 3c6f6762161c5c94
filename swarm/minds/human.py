"""Human: the mind of which a person is the better half; alone it knows the policy, nothing else.

A runtime puts questions to a mind of this name into the run's inbox (``runtime/inbox.py``), where a
person answers them. ``decide`` is what counts when nobody has answered in time.
"""

from typing import ClassVar

from swarm.comms.messages.human import Decide, Decided
from swarm.kernel.message import Message
from swarm.minds.mind import unknown_question

PERSON = "human"
"""Name of the mind whose questions go to a person."""


class Human:
    """Answers as the policy in the question says."""

    is_light: ClassVar[bool] = False  # or the runtime would not wait for the person

    def decide(self, question: Message) -> Decided:
        """Answers ``human.decide``.

        Raises:
            InvariantError: For a question of another type.
        """
        if not isinstance(question, Decide):
            raise unknown_question(self, question)
        return Decided(is_approved=question.policy, reason="nobody answered in time")

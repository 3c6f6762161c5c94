"""Human: keeps the gate that people set: nothing they want to see happens without their word.

Protocol  ``comms/messages/human.py``.
States    none: several questions may be open at once.
Asks      its mind ``human.Decide`` about what the gate holds back. With the mind ``human`` a person
          answers, or after a deadline of wall time the policy does; any other mind that knows the
          question will do. In virtual time an answer takes ``thinking``, however long people took.
Raises    nothing: an answer to no open question changes nothing.
"""

from typing import Literal, TypeAlias, assert_never

import msgspec

from swarm.comms.messages import finding, human, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, MessageId
from swarm.kernel.role import Context
from swarm.units import Ticks

Gate: TypeAlias = Literal["none", "swaps", "big_runs"]

BIG = ("checkpoint",)
"""Parts whose swap is a big run: what the whole lab then stands on."""

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed
    | human.ApprovalSought | human.Decided | money.Credited
)  # fmt: skip


class Open(msgspec.Struct, frozen=True):
    """A question that has no answer yet."""

    sought: human.ApprovalSought
    asker: ActorId


class HumanState(msgspec.Struct):
    """Questions that are open, by what ``ctx.ask`` returned."""

    asked: dict[MessageId, Open] = {}


class Human:
    """Approves, or asks the person behind it.

    Args:
        gate: ``none``: everything is approved; ``swaps``: every swap is asked about; ``big_runs``:
            only those of ``BIG``.
        policy: What counts as the answer when nobody answers in time.
        thinking: How long an answer takes, in virtual time.
    """

    def __init__(self, *, gate: Gate, policy: bool, thinking: Ticks) -> None:
        self._gate = gate
        self._policy = policy
        self._thinking = thinking
        self.state = HumanState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message."""
        match message:
            case human.ApprovalSought():
                self._consider(Open(message, ctx.sender), ctx)
            case human.Decided():
                if (question := self.state.asked.pop(ctx.cause, None)) is not None:
                    self._answer(question, message, ctx)
            case (
                work.Start() | need.Announced() | ship.Announced() | money.Credited()
                | finding.Trial() | finding.Reviewed()
            ):  # fmt: skip
                pass  # people read these in the report
            case _:
                assert_never(message)

    def _consider(self, question: Open, ctx: Context) -> None:
        if self._holds_back(question.sought.part):
            decide = human.Decide(sought=question.sought, policy=self._policy)
            self.state.asked[ctx.ask(decide, takes=self._thinking)] = question
            ctx.note(f"asked about {_name(question.sought)}")
        else:
            passed = f"the gate {self._gate} lets it pass"
            self._answer(question, human.Decided(is_approved=True, reason=passed), ctx)

    def _holds_back(self, part: str) -> bool:
        return self._gate == "swaps" or (self._gate == "big_runs" and part in BIG)

    def _answer(self, question: Open, decided: human.Decided, ctx: Context) -> None:
        kind = human.Approved if decided.is_approved else human.Vetoed
        verb = "approved" if decided.is_approved else "vetoed"
        ctx.tell(question.asker, kind(contract=question.sought.contract, reason=decided.reason))
        ctx.note(f"{verb} {_name(question.sought)}: {decided.reason}")


def _name(sought: human.ApprovalSought) -> str:
    return f"{sought.part} by {sought.author} ({sought.gain:+.4f} {sought.unit}, {sought.contract})"

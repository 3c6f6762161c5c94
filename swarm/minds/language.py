"""A language model behind any server that speaks OpenAI's protocol, vLLM's above all.

Which server and which model stand in the environment (``SWARM_LANGUAGE_URL``,
``SWARM_LANGUAGE_MODEL``, and ``SWARM_LANGUAGE_KEY`` where the server wants one), read when a
question comes. The answer is JSON by the schema of the part's value; it is checked as if a stranger
had sent it, asked for once more if it is of no use, and then given up: an empty proposal that says
why.

A model that is asked again may answer otherwise. So a run with this mind can be replayed from its
journal, but run anew it may take another course.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from swarm.comms.messages.finding import Trial
from swarm.comms.messages.mind import PartProposed, ProposePart
from swarm.errors import SwarmError, UsageError, WireError
from swarm.kernel.message import Message
from swarm.minds.mind import unknown_question
from swarm.pipeline.inference.openai import (
    Endpoint,
    NoAnswerError,
    Turn,
    WrongAnswerError,
    ask,
    plain_schema,
)
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.values import KINDS, identity

URL, MODEL, KEY = "SWARM_LANGUAGE_URL", "SWARM_LANGUAGE_MODEL", "SWARM_LANGUAGE_KEY"

MAX_TRIALS = 40
"""Told to the model: the newest."""

_MAX_TOKENS = 2_048
_TEMPERATURE = 0.8
_MAX_REASON = 200
_SEEDS = 1 << 31

_TASK = """\
You are a researcher in a lab that trains tiny language models. The lab's ship has parts; each has a
current value, and a change of a value is tried by really training with it. Propose the one value of
the part {part} that should be tried next: likely to be better than the current one, and not tried
before. Answer with one JSON object and nothing else: "reason" says in a few words why, "value" is
the whole new value by this JSON schema:
{schema}"""


class Language:
    """Asks a language model."""

    is_light: ClassVar[bool] = False

    def decide(self, question: Message) -> PartProposed:
        """Answers ``mind.propose_part``; empty, with the reason, if no useful answer comes.

        Raises:
            InvariantError: For a question of another type.
            UsageError: If the environment does not say whom to ask, or names no address.
            WireError: If nobody knows the values of that part.
        """
        if not isinstance(question, ProposePart):
            raise unknown_question(self, question)
        endpoint = endpoint_from_environment()
        turns = conversation(question)
        wrong = ""
        for attempt in range(2):
            try:
                return _ask_once(endpoint, question, turns, seed=(question.seed + attempt) % _SEEDS)
            except (NoAnswerError, WrongAnswerError, _UselessError) as useless:
                wrong = str(useless)
                turns = [*turns, Turn("user", f"That was of no use: {wrong}. Answer again.")]
        return PartProposed(part=question.part, value="", reason=f"no useful answer: {wrong}")


def endpoint_from_environment() -> Endpoint:
    """Returns whom to ask.

    Raises:
        UsageError: If a variable is missing, or the address is none.
    """
    url, model = os.environ.get(URL, ""), os.environ.get(MODEL, "")
    if not url or not model:
        missing = " and ".join(name for name, one in ((URL, url), (MODEL, model)) if not one)
        raise UsageError(
            what=f"the mind 'language' does not know whom to ask: set {missing}, for example"
            f" {URL}=http://127.0.0.1:8000/v1 and {MODEL}=swarm"
        )
    return Endpoint(url=url, model=model, key=os.environ.get(KEY, ""))


def conversation(question: ProposePart) -> list[Turn]:
    """Returns a question as the turns that a model is asked with; trajectories are told like this.

    Raises:
        WireError: If nobody knows the values of that part.
    """
    schema = canonical_json(plain_schema(_kind(question.part)))
    trials = [trial for trial in question.history if trial.part == question.part]
    tried = "\n".join(map(_trial_line, trials[-MAX_TRIALS:])) or "nothing yet"
    told = f"Part: {question.part}\nCurrent value: {question.current}\nTried: {tried}"
    notes = "\n".join(question.notes)
    told += f"\nFrom your notebook:\n{notes}" if notes else ""
    return [
        Turn("system", _TASK.format(part=question.part, schema=schema)),
        Turn("user", told),
    ]


def reply(proposed: PartProposed) -> Turn:
    """Returns a proposal as the turn of the one that was asked."""
    value = msgspec.Raw(proposed.value.encode() or b"null")
    said = msgspec.json.encode({"reason": proposed.reason, "value": value})
    return Turn("assistant", said.decode())


def _trial_line(trial: Trial) -> str:
    came = f"failed, {trial.failed}" if trial.failed else f"gain {trial.gain_bpb:+.4f}"
    return f"{came}: {trial.value}"


@dataclass(eq=False, kw_only=True)
class _UselessError(SwarmError):
    """A well-formed answer that is no proposal."""

    why: str

    def __str__(self) -> str:
        return self.why


def _ask_once(
    endpoint: Endpoint, question: ProposePart, turns: Sequence[Turn], *, seed: int
) -> PartProposed:
    answer = ask(
        endpoint,
        turns,
        _answer_type(question.part),
        max_tokens=_MAX_TOKENS,
        temperature=_TEMPERATURE,
        seed=seed,
    )
    value = canonical_json(answer.value)
    try:
        same = identity(question.part, value)
    except WireError as wrong:
        raise _UselessError(why=str(wrong)) from wrong
    if same in _known(question):
        raise _UselessError(why=f"{value} was tried before, or is the current value")
    return PartProposed(
        part=question.part, value=value, reason=answer.reason[:_MAX_REASON] or "a guess"
    )


def _known(question: ProposePart) -> set[str]:
    """Returns the identities of the current value and of every trial that can be read."""
    known = {identity(question.part, question.current)}
    for trial in question.history:
        try:
            known.add(identity(trial.part, trial.value))
        except WireError:
            continue  # a neighbour wrote it
    return known


def _answer_type(part: str) -> Any:  # noqa: ANN401  the type is made as it is needed
    # No bound of its length: in vLLM 0.32 a bound lets control characters through, and a pattern
    # does not compile (xgrammar 0.2.8).
    return msgspec.defstruct("Answer", [("reason", str), ("value", _kind(part))])


def _kind(part: str) -> Any:  # noqa: ANN401  any of the specs of parts
    if part not in KINDS:
        raise WireError(where="a question", expected=f"one of {', '.join(KINDS)}", came=part)
    return KINDS[part]

"""The mind that asks a model: what it sends, what it accepts, and when it gives up."""

import json
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from swarm.comms.messages.finding import Trial
from swarm.comms.messages.mind import PartProposed, Practise, ProposePart
from swarm.errors import InvariantError, UsageError
from swarm.kernel.message import ActorId
from swarm.minds.language import MODEL, URL, Language, conversation, reply
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import GENERATION_0_MIXTURE, GENERATION_0_OPTIMIZER
from tests.model_server import ModelServer

BETTER = replace(GENERATION_0_OPTIMIZER, lr=0.004)
TRIED = replace(GENERATION_0_OPTIMIZER, lr=0.008)
QUESTION = ProposePart(
    part="optimizer",
    current=canonical_json(GENERATION_0_OPTIMIZER),
    history=(
        Trial(
            author=ActorId("a-0"),
            part="optimizer",
            value=canonical_json(TRIED),
            base="m",
            gain_bpb=-0.25,
        ),
    ),
    notes=("larger rates hurt",),
    seed=2**31 + 5,
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with ModelServer().running() as running:
        monkeypatch.setenv(URL, running.url)
        monkeypatch.setenv(MODEL, "tiny")
        yield running


def said(value: object, reason: str = "why not") -> str:
    return json.dumps({"reason": reason, "value": json.loads(canonical_json(value))})


def test_a_useful_answer_is_proposed(server: ModelServer) -> None:
    server.answers = [said(BETTER, "twice the rate")]

    answer = Language().decide(QUESTION)

    assert answer == PartProposed(
        part="optimizer", value=canonical_json(BETTER), reason="twice the rate"
    )
    assert server.asked[0]["model"] == "tiny"
    assert 0 <= server.asked[0]["seed"] < 2**31


@pytest.mark.parametrize(
    "useless",
    [
        "I would try a larger rate",
        said(replace(BETTER, lr=-1.0)),
        said(TRIED),
        said(GENERATION_0_OPTIMIZER),
        said(GENERATION_0_MIXTURE),
        503,
    ],
    ids=["prose", "senseless", "tried", "current", "another part", "error"],
)
def test_a_useless_answer_is_asked_for_again(server: ModelServer, useless: str | int) -> None:
    server.answers = [useless, said(BETTER)]

    answer = Language().decide(QUESTION)

    assert answer.value == canonical_json(BETTER)
    first, second = (asked["messages"] for asked in server.asked)
    assert second[:-1] == first
    assert second[-1]["content"].startswith("That was of no use: ")


def test_after_two_useless_answers_nothing_is_proposed(server: ModelServer) -> None:
    server.answers = [said(TRIED), "sorry"]

    answer = Language().decide(QUESTION)

    assert answer.value == ""
    assert answer.reason.startswith("no useful answer: ")
    assert "sorry" in answer.reason
    assert len(server.asked) == 2


def test_the_model_is_told_trials_notes_and_the_schema(server: ModelServer) -> None:
    server.answers = [said(BETTER)]

    Language().decide(QUESTION)

    system, user = (turn["content"] for turn in server.asked[0]["messages"])
    assert '"warmup"' in system
    assert canonical_json(GENERATION_0_OPTIMIZER) in user
    assert f"gain -0.2500: {canonical_json(TRIED)}" in user
    assert "larger rates hurt" in user


def test_without_an_address_the_user_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL, raising=False)
    monkeypatch.delenv(MODEL, raising=False)

    with pytest.raises(UsageError, match=f"set {URL} and {MODEL}"):
        Language().decide(QUESTION)


def test_other_questions_are_refused() -> None:
    with pytest.raises(InvariantError, match="Practise"):
        Language().decide(Practise(policy="{}", seed=0, n_tasks=1))


def test_a_trajectory_ends_as_the_model_would_answer() -> None:
    proposed = PartProposed(part="optimizer", value=canonical_json(BETTER), reason="a rate")

    turns = [*conversation(QUESTION), reply(proposed)]

    assert [turn.role for turn in turns] == ["system", "user", "assistant"]
    assert json.loads(turns[-1].content) == {
        "reason": "a rate",
        "value": json.loads(canonical_json(BETTER)),
    }


def test_an_empty_proposal_is_told_as_null() -> None:
    turn = reply(PartProposed(part="optimizer", value="", reason="nothing left"))

    assert json.loads(turn.content) == {"reason": "nothing left", "value": None}

"""Rules every mind must obey; a new file is covered without registration."""

import importlib
import pkgutil
import subprocess
import sys

import msgspec
import pytest
from msgspec.structs import replace

import swarm.minds
from swarm.comms.messages.finding import Trial
from swarm.comms.messages.human import ApprovalSought, Decide
from swarm.comms.messages.mind import PartProposed, Practise, ProposePart
from swarm.comms.messages.work import Start
from swarm.errors import InvariantError
from swarm.kernel.message import ActorId, ContractId, Message
from swarm.minds.mind import Mind
from swarm.pipeline.harness.spec import GENERATION_0_NOTEBOOK
from swarm.pipeline.menu import changes
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Mixture,
)
from swarm.pipeline.values import identity, read_value
from swarm.pipeline.wire import codec

NAMES = sorted(
    module.name for module in pkgutil.iter_modules(swarm.minds.__path__) if module.name != "mind"
)
ASKED_OTHERWISE: dict[str, Message] = {
    "practice": Practise(policy=canonical_json(GENERATION_0_NOTEBOOK), seed=1, n_tasks=3),
    "human": Decide(
        sought=ApprovalSought(
            contract=ContractId("a-0/1"),
            part="optimizer",
            value="{}",
            author=ActorId("a-0"),
            gain=0.2,
            gain_low=0.1,
            gain_high=0.3,
            unit="bpb",
        ),
        policy=True,
    ),
}
"""A question to every mind that is not asked for proposals."""
SERVED = {"language"}
"""Minds that ask a server; their own tests bring one along."""
PROPOSERS = [name for name in NAMES if name not in ASKED_OTHERWISE.keys() | SERVED]
STARTS = {
    "architecture": canonical_json(GENERATION_0_ARCHITECTURE),
    "mixture": canonical_json(GENERATION_0_MIXTURE),
    "optimizer": canonical_json(GENERATION_0_OPTIMIZER),
}
ONE_DOMAIN = canonical_json(Mixture(weights=(("mine", 1.0),)))

ANSWER_ALL = """
import sys
from swarm.pipeline.wire import codec
from swarm.runtime.jobs import load_mind
for line in sys.stdin.buffer:
    name, _, payload = line.rstrip().partition(b" ")
    answer = load_mind(name.decode()).decide(codec().decode(payload))
    print(codec().encode(answer).decode())
"""


def mind(name: str) -> Mind:
    made: Mind = getattr(
        importlib.import_module(f"swarm.minds.{name}"),
        "".join(part.capitalize() for part in name.split("_")),
    )()
    return made


def question(part: str, *, seed: int, n_tried: int) -> ProposePart:
    tried = changes(part, STARTS[part])[:n_tried]
    history = tuple(
        Trial(
            author=ActorId("a-0"),
            part=part,
            value=change.value,
            base="m",
            gain_bpb=0.1 * (-1) ** i,
            failed="diverged" if i == 3 else "",
        )
        for i, change in enumerate(tried)
    )
    return ProposePart(
        part=part, current=STARTS[part], history=history, notes=("rope is good",), seed=seed
    )


QUESTIONS = [
    question(part, seed=seed, n_tried=n_tried)
    for part in sorted(STARTS)
    for seed, n_tried in ((1, 0), (2, 4), (2**31 - 1, 9))
]


def test_the_folder_has_the_promised_minds() -> None:
    assert {"rules", "search", "practice", "human", "language"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_mind_says_what_it_is_and_whether_it_is_light(name: str) -> None:
    kind = type(mind(name))

    assert kind.__doc__
    assert sys.modules[kind.__module__].__doc__
    assert isinstance(kind.is_light, bool)


@pytest.mark.parametrize("name", NAMES)
def test_a_question_of_another_type_is_refused(name: str) -> None:
    with pytest.raises(InvariantError, match="came Start"):
        mind(name).decide(Start())


@pytest.mark.parametrize("name", ASKED_OTHERWISE)
def test_a_mind_that_proposes_nothing_answers_its_own_question_alike_each_time(name: str) -> None:
    question = ASKED_OTHERWISE[name]

    answers = [mind(name).decide(question) for _ in range(2)]

    assert answers[0] == answers[1]
    assert codec().decode(codec().encode(answers[0])) == answers[0]


@pytest.mark.parametrize("name", PROPOSERS)
@pytest.mark.parametrize("asked", QUESTIONS)
def test_an_answer_is_usable_and_new(name: str, asked: ProposePart) -> None:
    answer = mind(name).decide(asked)

    assert isinstance(answer, PartProposed)
    assert answer.part == asked.part
    assert answer.reason
    assert read_value(asked.part, answer.value).problem() is None
    assert canonical_json(answer.value) == answer.value
    known = {identity(asked.part, trial.value) for trial in asked.history}
    assert identity(asked.part, answer.value) not in {identity(asked.part, asked.current), *known}


@pytest.mark.parametrize("name", PROPOSERS)
def test_the_same_question_has_the_same_answer(name: str) -> None:
    one, other = mind(name), mind(name)

    first = [one.decide(asked) for asked in QUESTIONS]
    again = [other.decide(asked) for asked in reversed(QUESTIONS)]

    assert first == again[::-1]


@pytest.mark.parametrize("name", PROPOSERS)
def test_another_seed_may_have_another_answer(name: str) -> None:
    answers = {
        msgspec.json.encode(mind(name).decide(replace(QUESTIONS[0], seed=seed)))
        for seed in range(12)
    }

    assert len(answers) > 1


@pytest.mark.parametrize("name", PROPOSERS)
def test_where_nothing_is_left_the_answer_is_empty(name: str) -> None:
    asked = ProposePart(part="mixture", current=ONE_DOMAIN, history=(), notes=(), seed=0)

    answer = mind(name).decide(asked)

    assert isinstance(answer, PartProposed)
    assert answer.value == ""


@pytest.mark.slow
def test_answers_are_the_same_in_another_process_with_another_hash_seed() -> None:
    asked = [
        name.encode() + b" " + codec().encode(one) for name in PROPOSERS for one in QUESTIONS[::2]
    ]

    printed = subprocess.run(
        [sys.executable, "-c", ANSWER_ALL],
        env={"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
        input=b"\n".join(asked),
        capture_output=True,
        check=True,
    ).stdout.splitlines()

    here = [codec().encode(mind(name).decide(one)) for name in PROPOSERS for one in QUESTIONS[::2]]
    assert printed == here

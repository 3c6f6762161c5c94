"""Rules every family of environments must obey; a new file is covered without registration."""

import importlib
import re
import subprocess
import sys

import pytest

from swarm.kernel.rng import Stream
from swarm.pipeline.posttraining.environments.environment import (
    HARDEST,
    EnvSpec,
    draw_tasks,
    families,
    family,
    is_held_out,
    make_task,
)
from swarm.pipeline.posttraining.environments.gates import examine
from swarm.pipeline.posttraining.environments.prompt import halves, read_prompt

NAMES = families()
LEVELS = range(1, HARDEST + 1)

DIGEST = """
from hashlib import sha256
from swarm.pipeline.posttraining.environments.environment import EnvSpec, families, make_task
from swarm.pipeline.posttraining.environments.gates import examine
for name in families():
    spec = EnvSpec(family=name, difficulty=2)
    print(sha256(repr([make_task(spec, seed) for seed in range(64)]).encode()).hexdigest())
    print(examine(spec, 3))
"""


def test_there_are_the_families_that_the_lab_starts_with() -> None:
    promised = {"modular_addition", "count_symbol", "sort_digits", "reverse", "close_brackets"}

    assert promised | {"largest", "caesar", "compare"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_in_the_docstring_is_what_the_family_answers(name: str) -> None:
    text = importlib.import_module(f"swarm.pipeline.posttraining.environments.families.{name}")
    example = re.search(r"``([^`]+)``", str(text.__doc__).splitlines()[0])
    head, tail = halves(family(name).wordings[0])

    assert example is not None
    assert example[1].startswith(head)
    operands, _, answer = example[1].removeprefix(head).rpartition(tail)
    assert family(name).solve(operands) == answer


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NAMES)
def test_generator_and_solver_agree_on_fresh_draws(name: str, level: int) -> None:
    kind = family(name)
    drawn = [
        kind.generate(level, Stream(seed=seed, owner="test", name="task")) for seed in range(400)
    ]

    assert [kind.solve(operands) for operands, _ in drawn] == [answer for _, answer in drawn]


@pytest.mark.parametrize("name", NAMES)
def test_a_wording_has_one_place_for_operands_and_there_are_at_least_three(name: str) -> None:
    wordings = family(name).wordings

    assert len(set(wordings)) >= 3
    assert all(wording.count("{}") == 1 for wording in wordings)
    assert not any(mark in wording for wording in wordings for mark in "&|\n")


def test_no_text_before_operands_begins_another_so_prompts_are_read_in_one_way() -> None:
    heads = [halves(wording)[0] for name in NAMES for wording in family(name).wordings]

    clashes = [(a, b) for a in heads for b in heads if a is not b and a.startswith(b)]

    assert "" not in heads
    assert clashes == []


@pytest.mark.parametrize("name", NAMES)
def test_operands_and_answers_are_of_the_kinds_that_the_family_states(name: str) -> None:
    allowed = {"digits": r"[^A-Za-z]+", "lower": r"[a-z ]+", "mixed": r"[ -~]+"}
    kind = family(name)

    drawn = [kind.generate(level, Stream(seed=5, owner="test", name="t")) for level in LEVELS]

    assert all(re.fullmatch(allowed[kind.operands], operands) for operands, _ in drawn)
    assert all(re.fullmatch(allowed[kind.answers], answer) for _, answer in drawn)
    assert not any(mark in operands for operands, _ in drawn for mark in "&|\n")
    assert not any(" " in answer for _, answer in drawn)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NAMES)
def test_a_plain_spec_passes_every_gate_in_every_wording(name: str, level: int) -> None:
    specs = [
        EnvSpec(family=name, difficulty=level, wording=wording)
        for wording in range(len(family(name).wordings))
    ]

    failures = [failure for spec in specs for failure in examine(spec, 11).failures]

    assert failures == []


@pytest.mark.parametrize("name", NAMES)
def test_every_prompt_is_read_back_as_its_family_and_operands(name: str) -> None:
    for wording in range(len(family(name).wordings)):
        spec = EnvSpec(family=name, difficulty=2, wording=wording)

        read = [read_prompt(make_task(spec, seed).prompt) for seed in range(50)]

        assert all(one is not None and one.parts[0][0] == name for one in read)


@pytest.mark.parametrize("name", NAMES)
def test_the_easiest_cell_has_a_hundred_prompts_to_train_on_and_fifty_to_seal(name: str) -> None:
    spec = EnvSpec(family=name, difficulty=1)

    training = draw_tasks(spec, seed=1, n=100, held_out=False)
    sealed = draw_tasks(spec, seed=1, n=50, held_out=True)

    assert not any(is_held_out(task.prompt) for task in training)
    assert all(is_held_out(task.prompt) for task in sealed)


@pytest.mark.slow
def test_tasks_and_examinations_do_not_depend_on_the_process_or_its_hash_seed() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={"PYTHONHASHSEED": salt, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    ]

    assert printed[0] == printed[1]
    assert len(set(printed[0].splitlines())) == 2 * len(NAMES)


@pytest.mark.slow
def test_environments_load_no_torch() -> None:
    code = (
        "import sys, swarm.pipeline.posttraining.environments.planting, "
        "swarm.pipeline.posttraining.environments.gates as g, "
        "swarm.pipeline.posttraining.environments.worth; print('torch' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout.strip() == "False"

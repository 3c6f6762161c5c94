import pytest

from swarm.errors import InvariantError, UsageError
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.environments.environment import (
    EnvSpec,
    answer_kind,
    draw_tasks,
    is_held_out,
    make_task,
    oracle,
    prompt_hash,
    spec_hash,
    verify,
)

PLAIN = EnvSpec(family="reverse", difficulty=2)


def test_a_seed_gives_one_task_and_another_seed_another() -> None:
    assert make_task(PLAIN, 4) == make_task(PLAIN, 4)
    assert make_task(PLAIN, 4) != make_task(PLAIN, 5)


def test_wording_and_transformations_leave_the_operands_as_they_are() -> None:
    plain = make_task(PLAIN, 1)
    loud = make_task(
        EnvSpec(family="reverse", difficulty=2, wording=1, transformations=("uppercase",)), 1
    )

    assert plain.prompt == f"rev {plain.answer[::-1]}="
    assert loud == (f"^|backwards {plain.answer[::-1]}:", plain.answer.upper())


def test_transformations_of_the_answer_are_done_in_the_order_of_the_spec() -> None:
    spec = EnvSpec(family="copy", difficulty=1, transformations=("reverse_answer", "rotate_answer"))
    prompt, answer = make_task(spec, 1)
    word = prompt.removeprefix("<>|say ").removesuffix("=")

    assert answer == word[::-1][1:] + word[::-1][:1]


def test_a_pair_asks_both_questions_and_joins_the_answers_with_a_blank() -> None:
    spec = EnvSpec(family="copy", difficulty=2, transformations=("compose:largest",))
    prompt, answer = make_task(spec, 3)
    first, second = prompt.split("&")
    numbers = [int(text) for text in second.removeprefix("max ").removesuffix("=").split()]

    assert answer == f"{first.removeprefix('say ').removesuffix('=')} {max(numbers)}"
    assert len(numbers) == 3  # the second question is one step easier


def test_the_oracle_reads_the_prompt_and_not_the_stored_answer() -> None:
    spec = EnvSpec(
        family="sort_digits",
        difficulty=3,
        transformations=("compose:count_symbol", "reverse_input", "nines_answer"),
    )
    tasks = [make_task(spec, seed) for seed in range(100)]

    solved = [oracle(spec, task._replace(answer="forged")) for task in tasks]

    assert solved == [task.answer for task in tasks]


def test_the_oracle_refuses_the_prompt_of_another_environment() -> None:
    task = make_task(EnvSpec(family="copy", difficulty=1), 1)

    with pytest.raises(InvariantError, match="a prompt of reverse"):
        oracle(PLAIN, task)


def test_the_strict_verifier_pays_the_answer_and_nothing_else() -> None:
    task = make_task(PLAIN, 1)

    assert verify(PLAIN, task, task.answer) == 1.0
    assert verify(PLAIN, task, task.answer + " ") == 0.0
    assert verify(PLAIN, task, "") == 0.0


def test_a_held_out_question_is_so_in_every_wording_and_transformation() -> None:
    others = [
        EnvSpec(family="reverse", difficulty=2, wording=2),
        EnvSpec(family="reverse", difficulty=2, transformations=("reverse_input", "uppercase")),
    ]
    plain = [is_held_out(make_task(PLAIN, seed).prompt) for seed in range(300)]

    for other in others:
        assert [is_held_out(make_task(other, seed).prompt) for seed in range(300)] == plain


def test_a_pair_is_held_out_if_one_of_its_questions_is() -> None:
    pair = EnvSpec(family="reverse", difficulty=2, transformations=("compose:copy",))
    prompts = [make_task(pair, seed).prompt for seed in range(300)]

    held_out = [is_held_out(prompt) for prompt in prompts]

    assert held_out == [any(map(is_held_out, prompt.split("&"))) for prompt in prompts]
    assert 300 * 0.13 < sum(held_out) < 300 * 0.35  # 1 - (7/8)**2 is .234


def test_about_an_eighth_of_the_prompts_is_held_out() -> None:
    prompts = [make_task(PLAIN, seed).prompt for seed in range(4_000)]

    n_held_out = sum(map(is_held_out, prompts))

    assert abs(n_held_out - 500) < 4 * 21  # four standard errors


def test_drawn_tasks_differ_and_stay_on_their_side() -> None:
    training = draw_tasks(PLAIN, seed=2, n=60, held_out=False)
    sealed = draw_tasks(PLAIN, seed=2, n=60, held_out=True)

    assert len({task.prompt for task in (*training, *sealed)}) == 120
    assert training == draw_tasks(PLAIN, seed=2, n=60, held_out=False)
    assert training != draw_tasks(PLAIN, seed=3, n=60, held_out=False)


def test_more_tasks_than_there_are_is_refused_with_their_number() -> None:
    spec = EnvSpec(family="next_term", difficulty=1)

    with pytest.raises(UsageError, match=r"next_term at difficulty 1 gave \d+ different prompts"):
        draw_tasks(spec, seed=1, n=150, held_out=True)


def test_hashes_are_of_the_whole_spec_and_the_whole_prompt() -> None:
    task = make_task(PLAIN, 1)

    assert spec_hash(PLAIN) == spec_hash(EnvSpec(family="reverse", difficulty=2))
    assert spec_hash(PLAIN) != spec_hash(EnvSpec(family="reverse", difficulty=2, wording=1))
    assert prompt_hash(task) == prompt_hash(task._replace(answer="x"))
    assert canonical_json(PLAIN) == (
        '{"difficulty":2,"family":"reverse","transformations":[],"verifier":"strict","wording":0}'
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"family": "chess"}, "family 'chess' is none of"),
        ({"difficulty": 0}, "difficulty 0 is not between 1 and 5"),
        ({"difficulty": 6}, "difficulty 6 is not between 1 and 5"),
        ({"wording": 99}, "wording 99 is not between 0 and 2"),
        ({"wording": -1}, "wording -1 is not between 0 and 2"),
        ({"transformations": ("shout",)}, "transformation 'shout' is none of"),
        ({"transformations": ("compose:chess",)}, "'compose:chess' names none of the families"),
        ({"transformations": ("uppercase", "uppercase")}, "a transformation stands twice"),
        ({"transformations": ("reverse_answer", "reverse_input")}, "one compose first"),
        ({"transformations": ("compose:copy", "compose:caesar")}, "one compose first"),
        ({"transformations": ("nines_answer",)}, "nines_answer needs digits but finds lower"),
        ({"transformations": ("letters_input",)}, "letters_input needs digits but finds lower"),
        ({"transformations": ("uppercase", "next_letter")}, "next_letter needs lower but finds"),
        ({"transformations": tuple("abcde")}, "5 transformations are more than 4"),
    ],
)
def test_a_spec_with_a_problem_says_which_and_gives_no_tasks(
    fields: dict[str, object], reason: str
) -> None:
    spec = EnvSpec(**{"family": "reverse", "difficulty": 2, **fields})  # type: ignore[arg-type]

    assert reason in str(spec.problem())
    with pytest.raises(UsageError, match="this is no environment"):
        make_task(spec, 1)


def test_the_kind_of_an_answer_follows_the_transformations() -> None:
    changes = ("letters_input", "letters_answer", "uppercase")
    spec = EnvSpec(family="digit_sum", difficulty=1, transformations=changes)

    assert [
        answer_kind(EnvSpec(family="digit_sum", difficulty=1, transformations=changes[:n]))
        for n in range(4)
    ] == ["digits", "digits", "lower", "upper"]
    assert make_task(spec, 1).answer.isupper()

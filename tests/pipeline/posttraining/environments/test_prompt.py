from swarm.pipeline.posttraining.environments.prompt import HELD_OUT_SHARE, is_held_out, read_prompt


def test_a_prompt_is_read_without_its_spec() -> None:
    question = read_prompt("/#<|max hb g ac=&order bbhj:")

    assert question is not None
    assert question.parts == (("largest", "20 6 17"), ("sort_digits", "9711"))
    assert [change.tag for change in question.of_answer] == ["<"]


def test_what_is_no_prompt_of_ours_is_not_read() -> None:
    assert read_prompt("once upon a time") is None
    assert read_prompt("?|rev abc=") is None
    assert read_prompt("rev abc=&") is None
    assert read_prompt("") is None


def test_foreign_prompts_are_held_out_in_the_same_share() -> None:
    n_held_out = sum(is_held_out(f"story number {n}") for n in range(4_000))

    assert abs(n_held_out - 4_000 * HELD_OUT_SHARE) < 4 * 21  # four standard errors

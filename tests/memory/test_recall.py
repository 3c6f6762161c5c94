import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.memory.recall import recall, relevance, remind, words

NOTES = (
    "trial of rope on 0a1b: gain 0.210 bpb",
    "trial of muon on 0a1b: gain 0.300 bpb",
    "no reviewer is near",
    "dead end: rmsnorm gains -0.010 bpb",
    "trial of rope on 77ff: gain 0.050 bpb",
)

lines = st.lists(st.text(alphabet="abc _.", max_size=12), max_size=12)


def test_lines_that_share_a_rare_word_are_recalled_in_order_of_time() -> None:
    found = recall(NOTES, "rope rmsnorm", 10_000)

    assert found == (NOTES[0], NOTES[3], NOTES[4])


def test_lines_without_a_common_word_are_not_recalled() -> None:
    assert recall(NOTES, "tokenizer", 10_000) == ()


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    scores = relevance(NOTES, "trial muon")

    assert scores[1] > scores[0] > 0.0


def test_within_a_budget_the_most_relevant_line_comes_first() -> None:
    found = recall(NOTES, "trial muon", len(NOTES[1]))

    assert found == (NOTES[1],)


def test_equal_relevance_goes_to_the_later_line() -> None:
    older, newer = "rope gains 1", "rope gains 2"

    found = recall((older, newer), "rope", len(newer))

    assert found == (newer,)


def test_a_line_too_long_for_the_budget_is_passed_over_for_a_shorter_one() -> None:
    long, short = "rope " + "rope " * 50, "rope and more words here"

    found = recall((long, short), "rope", len(short))

    assert found == (short,)


def test_of_equal_lines_one_is_recalled() -> None:
    assert recall(("rope won", "rope won"), "rope", 100) == ("rope won",)


def test_names_of_settings_and_numbers_are_single_words() -> None:
    assert words("qk_norm=True at 0.02, Muon.") == ["qk_norm", "true", "at", "0.02", "muon"]


@given(lines, st.text(alphabet="abc _.", max_size=12), st.integers(0, 40))
def test_what_is_recalled_fits_the_budget_and_stands_in_the_notebook(
    notebook: list[str], query: str, budget: int
) -> None:
    found = recall(notebook, query, budget)

    assert sum(map(len, found)) <= budget
    assert set(found) <= set(notebook)
    assert len(set(found)) == len(found)


def test_recent_lines_are_the_last_that_fit() -> None:
    assert remind("recent", NOTES, "rope", len(NOTES[3]) + len(NOTES[4]), 0) == NOTES[3:]


def test_relevant_lines_are_those_that_recall_finds() -> None:
    assert remind("relevant", NOTES, "rope", 1_000, 0) == recall(NOTES, "rope", 1_000)


def test_shuffled_lines_are_any_by_seed_in_order_of_time() -> None:
    shown = {remind("shuffled", NOTES, "rope", 80, seed) for seed in range(20)}

    assert len(shown) > 3
    assert all(list(some) == sorted(some, key=NOTES.index) for some in shown)
    assert remind("shuffled", NOTES, "rope", 80, 3) == remind("shuffled", NOTES, "muon", 80, 3)


def test_none_shows_nothing_and_another_way_is_refused() -> None:
    assert remind("none", NOTES, "rope", 1_000, 0) == ()
    with pytest.raises(UsageError, match="no notebook is recalled 'wisely'; there are none"):
        remind("wisely", NOTES, "rope", 1_000, 0)


@given(st.sampled_from(["recent", "relevant", "shuffled"]), lines, st.integers(0, 40))
def test_whatever_is_shown_fits_the_budget(how: str, notebook: list[str], budget: int) -> None:
    shown = remind(how, notebook, "abc", budget, 1)

    assert sum(map(len, shown)) <= budget

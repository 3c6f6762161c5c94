from swarm.pipeline.harness.menu import around
from swarm.pipeline.harness.spec import GENERATION_0_NOTEBOOK


def test_one_thing_is_changed_at_a_time_and_everything_can_be_kept() -> None:
    menu = list(around(GENERATION_0_NOTEBOOK))

    old = GENERATION_0_NOTEBOOK
    for _, new, prior in menu:
        assert (new.recall != old.recall) + (new.budget_chars != old.budget_chars) <= 1
        assert new.problem() is None
        assert prior > 0.0


def test_every_way_to_recall_can_be_reached_from_every_other() -> None:
    assert {new.recall for _, new, _ in around(GENERATION_0_NOTEBOOK)} == {
        "none",
        "recent",
        "relevant",
        "shuffled",
    }

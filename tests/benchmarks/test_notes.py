from benchmarks import notes
from swarm.minds.practice import TRIALS


def test_controls_stand_beside_notes_with_their_intervals() -> None:
    report = notes.measure(n_seeds=3, n_tasks=4, budget_chars=2_000, n_lab_seeds=0, seed=5)

    named = {figure.what: figure.value for figure in report.figures}
    for control in ("none", "shuffled", "recent"):
        what = f"gained by notes over {control}"
        assert named[f"{what}, at least"] <= named[what] <= named[f"{what}, at most"]
    assert report.holds
    assert f"{TRIALS} of which" in report.facts["trials a task"]


def test_without_room_for_a_line_notes_are_worth_nothing() -> None:
    report = notes.measure(n_seeds=2, n_tasks=4, budget_chars=0, n_lab_seeds=0, seed=5)

    gains = [one.value for one in report.figures if one.what.startswith("gained by notes")]
    assert gains
    assert all(gain == 0.0 for gain in gains)

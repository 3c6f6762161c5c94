from swarm.memory.results import Result, read_results

TRIAL = "trial: architecture d6da641f (depth=2 positions=rope): +0.1200 bpb on 8e72f966"
DEAD_END = "dead end: architecture 471c91e3 (norm=rmsnorm): -0.0300 bpb on 8e72f966"
FAILED = "dead end: architecture 0f1ede78 (width=-1): failed, diverged: loss +9.0 on 8e72f966"


def test_a_trial_tells_tag_settings_and_gain() -> None:
    (found,) = read_results([TRIAL], "architecture")

    assert found == Result("d6da641f", {"depth": "2", "positions": "rope"}, 0.12)


def test_a_dead_end_has_a_loss_and_a_failure_has_no_gain() -> None:
    found = read_results([DEAD_END, FAILED], "architecture")

    assert [one.gain for one in found] == [-0.03, None]


def test_reviews_and_claims_tell_the_first_figure_behind_the_tag() -> None:
    review = "review of rl 65f2e357 by reviewer-3: accept, +0.0500 pass@1"
    claim = (
        "claim a-0/5 about rl 65f2e357: accept, +0.0400 pass@1 on 24 measurements, p 6.1e-08 is low"
    )

    found = read_results([review, claim], "rl")

    assert found == [Result("65f2e357", {}, 0.05), Result("65f2e357", {}, 0.04)]


def test_other_parts_and_lines_of_another_form_say_nothing() -> None:
    lines = (
        TRIAL,
        "optimizer swapped in by +0.0400 bpb",
        "trial of optimizer given up: no lease in time",
        "claim about optimizer 65f2e357 dropped: no reviewer is near",
        "a person wrote this (rope=good)",
        "",
    )

    assert read_results(lines, "optimizer") == []

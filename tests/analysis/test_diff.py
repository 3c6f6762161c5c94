from pathlib import Path

import pytest

import swarm
from swarm.analysis.diff import Line, as_object, compare, comparison_lines, first_difference
from swarm.analysis.run import Run
from swarm.comms.messages.gossip import Token
from swarm.errors import UsageError
from swarm.runtime.launch import Options
from swarm.scenarios import gossip
from tests.story import Story

R0, R1 = "researcher-0", "researcher-1"


def told(path: Path, *texts: str) -> Run:
    story = Story(path)
    for due, text in enumerate(texts, start=1):
        story.tell(due, R0, R1, Token(text=text))
    return swarm.load_run(story.write())


def gossips(folder: Path, *seeds: int, rounds: int = 2) -> list[Path]:
    for seed in seeds:
        lab = gossip.lab(seed=seed, rounds=rounds, **{"roles.gossiper": 20})
        lab.run(Options(out=folder / str(seed), is_live=False))
    return [folder / str(seed) for seed in seeds]


def line(table: tuple[Line, ...], name: str) -> Line:
    return next(one for one in table if one.name == name)


def test_equal_logs_have_no_first_difference(tmp_path: Path) -> None:
    a, b = told(tmp_path / "a", "x", "y"), told(tmp_path / "b", "x", "y")

    assert first_difference(a, b) is None


def test_the_first_difference_names_message_and_field(tmp_path: Path) -> None:
    a, b = told(tmp_path / "a", "x", "y", "z"), told(tmp_path / "b", "x", "other", "zz")

    found = first_difference(a, b)

    assert found is not None
    assert (found.seq, found.fields) == (1, ("payload.text",))
    assert [row and row["payload"] for row in found.rows] == [
        '{"type":"gossip.token","text":"y"}',
        '{"type":"gossip.token","text":"other"}',
    ]


def test_a_log_that_ends_earlier_differs_where_it_ends(tmp_path: Path) -> None:
    a, b = told(tmp_path / "a", "x", "y"), told(tmp_path / "b", "x")

    found = first_difference(a, b)

    assert found is not None
    assert (found.seq, found.n_messages, found.rows[1]) == (1, (2, 1), None)
    assert found.lines[1] == "the log has ended"


def test_where_two_long_texts_part_is_shown(tmp_path: Path) -> None:
    same = "the same words over and over " * 20
    a, b = told(tmp_path / "a", same + "left"), told(tmp_path / "b", same + "right")

    lines = comparison_lines(compare([a.path], [b.path]))

    assert lines[0] == "the logs differ from message #0 on in payload.text"
    assert lines[3].startswith("  A  payload.text: ...")
    assert lines[3].endswith("over left")
    assert lines[4].endswith("over right")


def test_runs_of_the_same_seeds_are_paired(tmp_path: Path) -> None:
    ours = gossips(tmp_path / "a", 1, 2, 3)
    theirs = gossips(tmp_path / "b", 3, 1, 2, rounds=4)

    found = compare(ours, theirs)

    assert found.is_paired
    messages = line(found.table, "messages")
    # Every gossiper tells once a round, so the difference is the same for every seed.
    assert (messages.ours, messages.theirs) == (60, 100)
    assert messages.difference == (40.0, 40.0, 40.0, 3)
    text = comparison_lines(found)
    assert text[0] == "3 runs against 3 runs, paired by the 3 seeds that both sides have"
    assert any(row.startswith("messages ") and row.endswith("+40 [+40, +40]") for row in text)


def test_only_shared_seeds_are_compared_where_there_are_several(tmp_path: Path) -> None:
    ours, theirs = gossips(tmp_path / "a", 1, 2, 3), gossips(tmp_path / "b", 2, 3, 4)

    found = compare(ours, theirs)

    assert found.is_paired
    assert [Path(side).name for side in found.sides[0]] == ["2", "3"]
    assert found.n_given == (3, 3)


def test_runs_of_other_seeds_are_two_groups(tmp_path: Path) -> None:
    ours, theirs = gossips(tmp_path / "a", 1, 2), gossips(tmp_path / "b", 3, 4, rounds=4)

    found = compare(ours, theirs)

    assert not found.is_paired
    assert line(found.table, "messages").difference == (40.0, 40.0, 40.0, 4)
    assert "not paired: seeds differ" in comparison_lines(found)[0]


def test_a_folder_stands_for_the_runs_in_it(tmp_path: Path) -> None:
    gossips(tmp_path / "a", 1, 2)

    found = compare([tmp_path / "a"], [tmp_path / "a"])

    assert [Path(side).name for side in found.sides[0]] == ["1", "2"]
    assert line(found.table, "messages").difference.mean == 0


@pytest.mark.slow
def test_a_lab_is_compared_by_parts_gains_gpu_hours_credits_and_kinds(labs: Path) -> None:
    found = compare([labs / "1"], [labs / "2"])

    names = {one.name for one in found.table}
    assert {
        "sealed bits per byte, last",
        "audit gain, bits per byte",
        "swaps",
        "GPU-hours",
        "credits for contracts",
        "credits for leases",
        "messages contract_net.cfp",
    } <= names
    assert any(name.startswith("gain of ") for name in names)
    assert as_object(found)["table"][0]["difference"].keys() == {"mean", "low", "high", "n"}


def test_scores_that_one_side_lacks_are_left_out(lab_run: Run, gossip_run: Run) -> None:
    found = compare([lab_run.path], [gossip_run.path])

    assert not any(one.name.startswith(("sealed", "audit")) for one in found.table)
    assert line(found.table, "swaps").theirs == 0


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run: give a run folder"):
        compare([tmp_path], [tmp_path])


def test_a_run_given_twice_on_one_side_is_refused(tmp_path: Path) -> None:
    (run,) = gossips(tmp_path, 1)

    with pytest.raises(UsageError, match="is given twice on one side"):
        compare([run, run], [run])

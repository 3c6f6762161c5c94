import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from swarm import cli
from swarm.runtime.launch import Options
from swarm.scenarios import full_lab, gossip


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs one command in this process."""

    def runner(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(argument) for argument in arguments])
        code = exit_.value.code
        captured = capsys.readouterr()
        return Said(code if isinstance(code, int) else 0, captured.out, captured.err)

    return runner


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small runs of gossip, a and b, that differ in their rounds."""
    folder = tmp_path_factory.mktemp("runs")
    for name, rounds in (("a", 3), ("b", 4)):
        lab = gossip.lab(rounds=rounds, **{"roles.gossiper": 20})
        lab.run(Options(out=folder / name, is_live=False))
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lab") / "lab"
    full_lab.lab(seed=1, fidelity="surrogate").run(Options(out=out, is_live=False))
    return out


@pytest.mark.slow
def test_why_tells_a_part(run: Callable[..., Said], lab: Path) -> None:
    said = run("why", lab, "optimizer")

    assert said.code == 0
    assert said.out.startswith("why optimizer was swapped: ")
    assert "├─ " in said.out
    assert "credits" in said.out


@pytest.mark.slow
def test_why_prints_one_json_object(run: Callable[..., Said], lab: Path) -> None:
    found = json.loads(run("why", lab, "optimizer", "--json").out)

    assert found["question"] == "optimizer"
    assert found["steps"]
    assert found["chain"]
    assert {"credits_spent", "gpu_ticks", "jobs"} <= found.keys()


def test_why_follows_a_message(run: Callable[..., Said], runs: Path) -> None:
    said = run("why", runs / "a", "#79")

    assert said.code == 0
    assert "the run began for" in said.out


def test_diff_names_the_first_difference_and_compares(run: Callable[..., Said], runs: Path) -> None:
    said = run("diff", runs / "a", runs / "b")

    assert said.code == 0
    assert said.out.startswith("the logs differ from message #80 on: one log has ended\n")
    assert "messages gossip.token" in said.out
    assert said.out.splitlines()[-3].split()[-1] == "+20"


def test_diff_prints_one_json_object(run: Callable[..., Said], runs: Path) -> None:
    found = json.loads(run("diff", runs / "a", runs / "b", "--json").out)

    assert found["first"]["seq"] == 80
    assert {"name", "ours", "theirs", "difference"} == found["table"][0].keys()


def test_diff_takes_several_runs_of_each_side(run: Callable[..., Said], runs: Path) -> None:
    said = run("diff", runs, "--against", runs / "a", "--against", runs / "b")

    assert said.code == 0
    assert said.out.startswith("2 runs against 2 runs, not paired: seeds differ\n")


@pytest.mark.slow
def test_trace_writes_a_file_that_can_be_read(
    run: Callable[..., Said], runs: Path, tmp_path: Path
) -> None:
    said = run("trace", runs / "a", tmp_path / "t.json", "--since", "1s", "--until", "3s", "--json")

    assert json.loads(said.out)["n_messages"] == 40
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]


def test_report_prints_the_path_of_what_it_wrote(run: Callable[..., Said], runs: Path) -> None:
    said = run("report", runs / "a")

    assert said.out == f"{runs / 'a' / 'report.html'}\n"
    assert (runs / "a" / "report.html").read_text().startswith("<!doctype html>")


def test_report_prints_one_json_object(
    run: Callable[..., Said], runs: Path, tmp_path: Path
) -> None:
    found = json.loads(run("report", runs / "a", "--out", tmp_path / "r.html", "--json").out)

    assert found["report"] == str(tmp_path / "r.html")
    assert found["bytes"] == (tmp_path / "r.html").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["why", "a", "optimizer"], "error: 'optimizer' is unknown: the run has no ship"),
        (["diff", "a"], "error: diff compares two sides, came 1"),
        (["diff", "a", "nowhere"], "error: "),
        (["trace", "a", "t.json", "--since", "soon"], "error: --since 'soon': expected a span"),
        (["trace", "a", "t.json", "--until", "soon"], "error: --until 'soon': expected a span"),
        (["report", "nowhere"], "error: "),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    run: Callable[..., Said], runs: Path, arguments: list[str], sentence: str
) -> None:
    places = [str(runs / one) if one in {"a", "nowhere"} else one for one in arguments]

    said = run(*places)

    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith(sentence)
    assert said.err.count("\n") == 1

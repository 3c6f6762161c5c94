import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from swarm import cli
from swarm.runtime.launch import Options
from swarm.scenarios.gossip import lab


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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run of gossip: 20 actors, 3 rounds, 80 messages."""
    out = tmp_path_factory.mktemp("runs") / "gossip"
    lab(rounds=3, **{"roles.gossiper": 20}).run(Options(out=out, is_live=False))
    return out


def test_log_prints_a_line_for_each_row(run: Callable[..., Said], folder: Path) -> None:
    said = run("log", folder, "--kind", "gossip", "--limit", 5)

    assert said.code == 0
    lines = said.out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("day 0 00:00:01  #20  gossiper-")
    assert "  gossip.token  text=" in lines[0]
    assert said.err == "5 of 60 rows; --limit 0 prints all\n"


def test_log_prints_a_hundred_rows_unless_told_otherwise(
    run: Callable[..., Said], folder: Path
) -> None:
    assert len(run("log", folder).out.splitlines()) == 80
    assert len(run("log", folder, "--limit", 0).out.splitlines()) == 80


def test_log_prints_one_json_object(run: Callable[..., Said], folder: Path) -> None:
    said = run("log", folder, "--kind", "work.start", "--limit", 1, "--json")

    found = json.loads(said.out)
    assert found["status"] == "ok"
    assert found["n_rows"] == 20
    assert found["problems"] == []
    assert found["rows"][0]["payload"] == {"type": "work.start"}
    assert found["rows"][0]["sender"] == "gossiper-0"


def test_log_chooses_by_actor_and_time(run: Callable[..., Said], folder: Path) -> None:
    said = run("log", folder, "--actor", "gossiper-3", "--since", "2s", "--json")

    rows = json.loads(said.out)["rows"]
    assert rows
    assert all("gossiper-3" in (row["sender"], row["recipient"]) for row in rows)
    assert min(row["due"] for row in rows) == 2


def test_log_answers_a_query(run: Callable[..., Said], folder: Path) -> None:
    query = "select kind, count(*) as n from messages group by 1 order by 1"

    said = run("log", folder, "--sql", query)

    assert "gossip.token ┆ 60" in said.out
    rows = json.loads(run("log", folder, "--sql", query, "--json").out)["rows"]
    assert rows == [{"kind": "gossip.token", "n": 60}, {"kind": "work.start", "n": 20}]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sql", "selec"], "error: the query cannot be answered: "),
        (["--sql", "select 1", "--kind", "gossip"], "error: give --sql or a choice by "),
        (["--kind", "gosip"], "error: --kind 'gosip' is unknown; did you mean gossip"),
        (["--actor", "nobody-1"], "error: no actor is named 'nobody-1'; there are gossiper-0..19"),
        (["--since", "soon"], "error: --since 'soon': expected a span of virtual time"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    run: Callable[..., Said], folder: Path, arguments: list[str], sentence: str
) -> None:
    said = run("log", folder, *arguments)

    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith(sentence)
    assert said.err.count("\n") == 1


def test_a_folder_without_a_run_is_bad_usage(run: Callable[..., Said], tmp_path: Path) -> None:
    said = run("log", tmp_path)

    assert said.code == 2
    assert said.err == f"error: {tmp_path} is not a run folder: it has no manifest.json\n"


def test_what_could_not_be_read_is_said_on_standard_error(
    run: Callable[..., Said], tmp_path: Path
) -> None:
    outcome = lab(rounds=1, **{"roles.gossiper": 20}).run(
        Options(out=tmp_path / "run", is_live=False)
    )
    (segment,) = (outcome.path / "messages").iterdir()
    segment.write_bytes(b"nonsense")

    said = run("log", outcome.path)

    assert said.code == 0
    assert "0000-000000.parquet is damaged" in said.err
    assert "the log holds 0 of the 40 messages" in said.err


def test_an_unknown_command_is_answered_with_what_there_is(run: Callable[..., Said]) -> None:
    said = run("rewind", "runs/x")

    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("error: no command is named 'rewind'; there are ")
    assert said.err.endswith(", and a lab runs with python -m swarm.scenarios.<name>\n")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["log"], ["log", "x", "--nope"], ["log", "x", "--limit", "-1"]]
)
def test_bad_usage_is_exit_code_2_without_a_traceback(
    run: Callable[..., Said], arguments: list[str]
) -> None:
    said = run(*arguments)

    assert said.code == 2
    assert "Traceback" not in said.err + said.out


@pytest.mark.slow
def test_doctor_prints_one_json_object(run: Callable[..., Said]) -> None:
    said = run("doctor", "--json")

    found = json.loads(said.out)
    assert said.code == 0
    assert found["can_run"]["labs in one process"] is True
    assert {"cores", "memory_gib", "disk_free_gib", "gpus", "versions", "missing"} <= found.keys()


def test_an_unknown_benchmark_is_answered_with_what_there_is(run: Callable[..., Said]) -> None:
    said = run("bench", "speed")

    assert said.code == 2
    assert "no benchmark is named 'speed'" in said.err
    assert "gossip" in said.err


@pytest.mark.slow
def test_bench_passes_arguments_on_and_reports(run: Callable[..., Said]) -> None:
    sizes = ["--actors", "60", "--rounds", "2", "--repeats", "1", "--idle", "100"]

    said = run("bench", "--json", "gossip", *sizes)

    (report,) = json.loads(said.out)["benchmarks"]
    assert report["benchmark"] == "gossip"
    assert {figure["unit"] for figure in report["figures"]} >= {"messages/CPU-s", "s"}
    assert said.code in (0, 1)


@pytest.mark.slow
def test_a_benchmark_that_breaks_is_named(run: Callable[..., Said]) -> None:
    said = run("bench", "gossip", "--no-such-option")

    assert said.code == 1
    assert "benchmark gossip ended with code 2 and without a report" in said.err

"""The command line of scenarios: a mistake gets exit code 2 and one sentence, before any run."""

import json
from pathlib import Path

import pytest

from swarm.scenarios import full_lab, gossip, mm1_queue
from swarm.scenarios.entry import Front
from swarm.scenarios.research_lab import SINGLE

FRONTS = {
    "gossip": Front("gossip", lab=gossip.lab, counts=gossip.COUNTS),
    "mm1_queue": Front("mm1_queue", lab=mm1_queue.lab, counts=mm1_queue.COUNTS),
    "full_lab": Front("full_lab", lab=full_lab.lab, counts=full_lab.COUNTS, single=SINGLE),
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(scenario: str, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        FRONTS[scenario].main(arguments)
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("gossip --seed 1 --set seed=2", "give seed by --set or by its own flag, not both"),
        ("gossip --until 5 --set until=6", "give until by --set"),
        ("gossip --role gossiper=3 --set roles.gossiper=4", "give roles.gossiper by --set"),
        ("gossip --actors 3 --set roles={}", "give roles.gossiper by --set"),
        ("gossip --actors 1", "gossip needs at least 2 gossipers, came 1"),
        ("gossip --actors 10000001", "at most 10,000,000 actors, came 10,000,001"),
        ("gossip --role gossiper=10000001", "at most 10,000,000 actors"),
        ("gossip --set params.degree=2.5", "parameter 'degree' of topology small_world must be"),
        ("gossip --set topology=edge_list", "topology edge_list needs the parameter 'path'"),
        ("gossip --runtime ray --workers 0", "--workers must be at least 1, came 0"),
        ("gossip --runtime ray --workers -2", "--workers must be at least 1, came -2"),
        ("gossip --workers 2", "--workers is for --runtime ray"),
        ("gossip --runtime inline --address auto", "--address is for --runtime ray"),
        ("gossip --cache file", "--cache file: expected a folder"),
        ("gossip --cache file/below", "--cache file/below: expected a folder"),
        ("mm1_queue --actors 21", "as many queue_server as queue_source"),
        ("mm1_queue --set mean_service=3000", "mean_service must be less than mean_interval"),
        ("full_lab --set money.budget=inf", "input should be a finite number"),
        ("full_lab --set graph.params.degree=x", "parameter 'degree' of topology small_world"),
    ],
)
def test_a_mistake_gets_one_sentence_and_no_run(
    command: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()

    code = call(*command.split(), "--out", "run")

    said = capsys.readouterr().err
    assert code == 2
    assert sentence in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "seed=7"),
        ("--set", "topology=random_regular", "--set", "params.degree=4"),
        ("--set", "topology=star", "--cache", "new/cache"),
        ("--set", 'params={"degree": 4, "rewired": 0.5}'),
    ],
)
def test_a_setting_of_the_command_line_reaches_the_run(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--actors", "10", "--set", "rounds=1", "--json", "--out", "run")

    code = call("gossip", *common, *arguments)

    assert code == 0
    assert json.loads(capsys.readouterr().out)["kinds"]["gossip.token"] == 10


def test_the_seed_is_the_same_by_flag_and_by_setting(capsys: pytest.CaptureFixture[str]) -> None:
    common = ("gossip", "--actors", "10", "--set", "rounds=2", "--json", "--out")
    ways = {"flag": ("--seed", "7"), "setting": ("--set", "seed=7"), "default": ()}

    digests = {}
    for name, way in ways.items():
        call(*common, name, *way)
        digests[name] = json.loads(capsys.readouterr().out)["digest_payload"]

    assert digests["flag"] == digests["setting"] != digests["default"]


def test_the_queues_share_actors_evenly(capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--set", "customers=20", "--json", "--out", "run")

    code = call("mm1_queue", "--actors", "6", *common)

    assert code == 0
    assert json.loads(capsys.readouterr().out)["actors"] == 6

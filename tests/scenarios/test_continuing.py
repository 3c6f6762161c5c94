import importlib
import json
from pathlib import Path

import pytest

import swarm
from swarm.errors import UsageError
from swarm.runtime.launch import Options, Outcome
from swarm.scenarios import gossip
from swarm.scenarios.continuing import fork_run, host_options, known_runtime, resume_run
from swarm.scenarios.forks import DROP, FORKS, expect_forkable

QUIET = Options(is_live=False)
SCENARIOS = [
    path.stem
    for path in sorted((Path(swarm.__file__).parent / "scenarios").glob("[a-z]*.py"))
    if "__main__" in path.read_text()
]


@pytest.fixture
def ran(tmp_path: Path) -> Outcome:
    lab = gossip.lab(rounds=9, **{"roles.gossiper": 20})
    return lab.run(Options(out=tmp_path / "ran", is_live=False))


def as_killed(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["status"] = "running"
    (run / "manifest.json").write_text(json.dumps(manifest))


def test_a_run_goes_on_from_its_folder_alone(ran: Outcome) -> None:
    as_killed(ran.path)

    lab, outcome = resume_run(ran.path, shards=4, options=QUIET)

    assert lab.config.model_dump()["rounds"] == 9
    assert outcome.status == "ok"
    assert outcome.summary["shards"] == 4
    assert outcome.summary["digest_payload"] == ran.summary["digest_payload"]


def test_a_run_goes_on_where_it_was_but_for_what_is_asked() -> None:
    then = {"runtime": "ray", "shards": 3, "workers": 2, "cache": "kept"}

    same = host_options(then, QUIET, {})
    other = host_options(then, QUIET, {"runtime": "inline", "shards": 1, "workers": None})

    assert (same.runtime, same.shards, same.workers, same.is_supervised) == ("ray", 3, 2, True)
    assert same.cache_dir == Path("kept")
    assert (other.runtime, other.shards, other.workers) == ("inline", 1, None)
    assert not other.is_supervised


def test_workers_without_ray_are_a_mistake() -> None:
    with pytest.raises(UsageError, match="--workers is for --runtime ray"):
        host_options({"runtime": "inline"}, QUIET, {"workers": 2})


def test_an_unknown_runtime_is_a_mistake() -> None:
    assert known_runtime("ray") == "ray"
    with pytest.raises(UsageError, match="--runtime 'dask' is unknown; choose inline or ray"):
        known_runtime("dask")


def test_a_fork_at_a_message_begins_before_the_window_it_is_delivered_in(
    ran: Outcome, tmp_path: Path
) -> None:
    lab, outcome = fork_run(
        ran.path, at="130", settings={"rounds": "7"}, out=tmp_path / "fork", options=QUIET
    )

    assert lab.config.model_dump()["rounds"] == 7
    assert outcome.summary["messages"] == 20 * 8
    manifest = json.loads((outcome.path / "manifest.json").read_text())
    assert manifest["parent"]["at"] == manifest["parent"]["barrier"] == 6


def test_a_message_is_dropped_by_its_number(ran: Outcome, tmp_path: Path) -> None:
    _, outcome = fork_run(
        ran.path, at="130", settings={DROP: "130"}, out=tmp_path / "fork", options=QUIET
    )

    # Delivered at ticks 6 to 9 in the parent.
    assert outcome.summary["messages"] == ran.summary["messages"] - 4


def test_a_place_may_be_virtual_time(ran: Outcome, tmp_path: Path) -> None:
    _, outcome = fork_run(
        ran.path, at="6s", settings={"rounds": "7"}, out=tmp_path / "fork", options=QUIET
    )

    assert outcome.summary["messages"] == 20 * 8


@pytest.mark.parametrize(
    ("at", "settings", "said"),
    [
        ("6s", {}, "give --set key=value"),
        ("6s", {"roles.gossiper": "21"}, "--set roles.gossiper cannot change .*; what can is drop"),
        ("6s", {"round": "21"}, "--set round cannot change in the middle of a run"),
        ("6 s", {"rounds": "7"}, "--at '6 s': expected a sequence number, or virtual time"),
        ("99999", {"rounds": "7"}, "has no message 99999"),
        ("6s", {DROP: "x"}, "'x' is no sequence number"),
        ("6s", {"minds": "{}"}, "unknown key 'minds'"),
    ],
)
def test_what_cannot_be_forked_is_said(
    ran: Outcome, tmp_path: Path, at: str, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fork_run(ran.path, at=at, settings=settings, out=tmp_path / "fork", options=QUIET)

    assert not (tmp_path / "fork").exists()


@pytest.mark.parametrize("key", [key for key in FORKS if key != DROP])
def test_every_key_of_a_fork_is_one_of_a_scenario(key: str) -> None:
    labs = [importlib.import_module(f"swarm.scenarios.{name}").lab() for name in SCENARIOS]

    assert any(_knows(lab.config.model_dump(), key) for lab in labs)


def _knows(values: object, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def test_keys_below_a_known_one_may_change() -> None:
    expect_forkable(["minds.data_researcher", "until"])

    with pytest.raises(UsageError, match="--set mindset"):
        expect_forkable(["mindset"])

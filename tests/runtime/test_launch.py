import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from swarm.errors import RunFailedError, UsageError
from swarm.kernel.message import Message
from swarm.pipeline.pretraining.spec import Trained
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Options, Outcome, Perform, Result, launch
from swarm.scenarios import gossip
from tests.runtime.jobs_for_tests import JOB

KEYS = """
    run status digest_control digest_payload actors shards messages windows virtual_seconds
    wall_seconds cpu_seconds cpu_seconds_in_jobs jobs jobs_cached swaps rollbacks
    parts_left_of_original
"""


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(out=tmp_path / "run", is_live=False)


def blueprint(**overrides: object) -> Blueprint:
    made = gossip.lab(**{"roles.gossiper": 20, "rounds": 3, **overrides}).build(Options())
    return replace(made, fidelity="surrogate")


def status_on_disk(outcome: Outcome) -> object:
    return json.loads((outcome.path / "manifest.json").read_text())["status"]


def test_a_run_ends_with_its_summary_in_the_manifest(options: Options) -> None:
    outcome = launch(blueprint(), options)

    assert (outcome.status, outcome.error) == ("ok", None)
    manifest = json.loads((outcome.path / "manifest.json").read_text())
    assert manifest["status"] == "ok"
    assert manifest["summary"] == outcome.summary
    assert set(KEYS.split()) <= set(outcome.summary)
    assert outcome.summary["messages"] == 80
    assert outcome.summary["virtual_seconds"] == 3


def test_until_ends_a_run_that_would_go_on(options: Options) -> None:
    outcome = launch(blueprint(rounds=10**6, until=7), options)

    assert outcome.status == "ok"
    assert outcome.summary["messages"] == 20 * 7


def test_what_a_scenario_does_at_the_end_becomes_facts(options: Options) -> None:
    def finish(result: Result, perform: Perform) -> Mapping[str, object]:
        (trained,) = perform([JOB])
        return {"trained": isinstance(trained, Trained), "ticks": result.virtual_seconds}

    outcome = launch(blueprint(), options, finish)

    assert (outcome.summary["trained"], outcome.summary["ticks"]) == (True, 3)
    assert outcome.summary["jobs"] == 1


def test_an_error_at_the_end_fails_the_run_and_keeps_its_log(options: Options) -> None:
    def finish(_result: Result, _perform: Perform) -> Mapping[str, object]:
        raise RunFailedError(what="nothing was measured")

    outcome = launch(blueprint(), options, finish)

    assert (outcome.status, str(outcome.error)) == ("failed", "nothing was measured")
    assert status_on_disk(outcome) == "failed"
    assert outcome.summary["messages"] == 80
    assert list((outcome.path / "messages").glob("*.parquet"))


def test_an_interrupt_at_the_end_is_an_interrupt(options: Options) -> None:
    def finish(_result: Result, _perform: Perform) -> Mapping[str, object]:
        raise KeyboardInterrupt

    outcome = launch(blueprint(), options, finish)

    assert (outcome.status, outcome.error) == ("interrupted", None)
    assert status_on_disk(outcome) == "interrupted"


def test_a_run_in_which_nobody_acts_is_a_failed_run(options: Options) -> None:
    outcome = launch(blueprint(rounds=0), options)

    assert (outcome.status, str(outcome.error)) == ("failed", "no actor ever did anything")
    assert status_on_disk(outcome) == "failed"


@pytest.mark.parametrize("shards", [0, 21, -1])
def test_more_shards_than_actors_are_a_mistake_before_anything_runs(
    options: Options, shards: int
) -> None:
    with pytest.raises(UsageError, match=f"into 1 to 20 shards, came {shards}"):
        launch(blueprint(), replace(options, shards=shards))

    assert options.out is not None
    assert not options.out.exists()


def test_results_of_jobs_are_kept_for_the_next_run_where_asked(
    options: Options, tmp_path: Path
) -> None:
    def finish(_result: Result, perform: Perform) -> Mapping[str, object]:
        answers: Sequence[Message] = perform([JOB])
        return {"answers": repr(answers)}

    kept = replace(options, cache_dir=tmp_path / "cache")
    first = launch(blueprint(), kept, finish)
    second = launch(blueprint(), replace(kept, out=tmp_path / "again"), finish)

    assert second.summary["answers"] == first.summary["answers"]
    assert (first.summary["jobs_cached"], second.summary["jobs_cached"]) == (0, 1)
    assert second.summary["digest_payload"] == first.summary["digest_payload"]

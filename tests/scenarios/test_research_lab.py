"""The research lab: with surrogate jobs for everything around them, with real ones for digests."""

import json
from pathlib import Path

import duckdb
import networkx as nx
import pytest

from swarm.errors import UsageError
from swarm.pipeline.parts import STAGE_OF
from swarm.runtime.launch import Options, Outcome
from swarm.scenarios import full_lab, two_researchers
from swarm.scenarios.entry import scale_counts
from swarm.scenarios.lab import Lab
from swarm.scenarios.research_lab import SINGLE, THRESHOLDS

TINY = {
    "work.trial_flops": 300_000_000,
    "work.checkpoint_flops": 600_000_000,
    "work.audit_seeds": 0,
    "work.claim_thresholds": dict.fromkeys(THRESHOLDS, 0.0),
    "work.post_steps": 1,
    "money.budget": 20,
}
"""Trainings of a step or two, real ones."""


def run(lab: Lab, out: Path, **options: object) -> Outcome:
    return lab.run(Options(out=out, is_live=False), **options)


def digests(outcome: Outcome) -> tuple[str, str]:
    assert outcome.status == "ok", outcome.error
    return outcome.summary["digest_control"], outcome.summary["digest_payload"]


def surrogate(**overrides: object) -> Lab:
    return full_lab.lab(fidelity="surrogate", **overrides)


def test_the_full_lab_swaps_parts_with_evidence_and_comes_to_rest(tmp_path: Path) -> None:
    outcome = run(surrogate(), tmp_path / "run")

    summary = outcome.summary
    assert outcome.status == "ok"
    assert summary["actors"] >= 200
    assert [role for role, n in summary["active"].items() if not n] == []
    assert len(summary["active"]) == 15
    assert len({STAGE_OF[part] for part in summary["swapped_parts"]}) >= 3
    assert summary["kinds"]["market.called_back"] > 0
    assert summary["parts_left_of_original"] == 14 - len(summary["swapped_parts"])
    assert summary["audit"]["standard_errors"] > 4
    ledger = json.loads((outcome.path / "ledger.json").read_text())
    for entry in ledger["entries"]:
        assert entry["author"] != entry["replicator"]
        assert entry["n_replications"] >= 2
        assert entry["gain_low_bpb"] > 0


def test_digests_depend_on_config_and_seed_alone(tmp_path: Path) -> None:
    first = digests(run(surrogate(), tmp_path / "a"))

    assert digests(run(surrogate(), tmp_path / "b")) == first
    assert digests(run(surrogate(), tmp_path / "c", shards=4)) == first
    assert digests(run(surrogate(), tmp_path / "d", shuffle=5)) == first
    assert digests(run(surrogate(seed=1), tmp_path / "e"))[1] != first[1]


def test_without_service_edges_calls_travel_by_subcontract(tmp_path: Path) -> None:
    outcome = run(surrogate(service_edges="off"), tmp_path / "run")

    assert outcome.status == "ok"
    assert outcome.summary["kinds"]["subcontract.carry"] > 100
    assert outcome.summary["kinds"]["pretraining.train"] > 10
    drawn = nx.read_graphml(outcome.path / "graph.graphml", node_type=int)
    told = duckdb.connect().execute(
        f"select distinct src, dst from '{outcome.path}/messages/*.parquet' where src != dst"
    )
    assert all(drawn.has_edge(src, dst) for src, dst in told.fetchall())


def test_a_job_over_its_limit_is_data_and_gets_advice_from_devops(tmp_path: Path) -> None:
    lab = surrogate(**{"work.max_params": 138_000})

    outcome = run(lab, tmp_path / "run")

    assert outcome.status == "ok"
    assert outcome.summary["kinds"]["work.job_failed"] > 0
    assert outcome.summary["kinds"]["ops.advice"] > 0
    assert outcome.summary["active"]["devops"] > 0


def test_fewer_actors_keep_every_role_and_more_scale_in_proportion(tmp_path: Path) -> None:
    for total in (15, 1_000):
        counts = scale_counts(total, full_lab.COUNTS, single=SINGLE)
        lab = surrogate(**{f"roles.{role}": count for role, count in counts.items()})

        assert run(lab, tmp_path / str(total)).summary["actors"] == total


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"roles.treasury": 2}, "a lab has one treasury"),
        ({"roles.evaluator": 0}, "at least one evaluator"),
        ({"roles.poet": 3}, "no role is named 'poet'"),
        ({"pool.device": "abacus"}, "no device type 'abacus'"),
        ({"pool.mechanism": "lottery"}, "lottery"),
        ({"graph.topology": "moebius"}, "no topology 'moebius'"),
        ({"minds": {"data_researcher": ["oracle"]}}, "no mind is named 'oracle'"),
        ({"corpus": "no/such/folder"}, "no/such/folder"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_runs(
    overrides: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        run(surrogate(**overrides), tmp_path / "run")

    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_corpus_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "a.bin").write_bytes(bytes(range(256)) * 100)

    for name in ("empty", "binary"):
        with pytest.raises(UsageError, match=name):
            run(surrogate(corpus=str(tmp_path / name)), tmp_path / "run")


@pytest.mark.torch
def test_real_training_gives_the_same_digests_on_any_number_of_shards(tmp_path: Path) -> None:
    first = run(two_researchers.lab(**TINY), tmp_path / "a")

    assert first.summary["kinds"]["pretraining.trained"] > 10
    for n_shards in (2, 9):
        again = run(two_researchers.lab(**TINY), tmp_path / str(n_shards), shards=n_shards)
        assert digests(again) == digests(first)


@pytest.mark.torch
@pytest.mark.ray
def test_real_training_gives_the_same_digests_on_ray(tmp_path: Path) -> None:
    inline = run(two_researchers.lab(**TINY), tmp_path / "inline")

    ray = run(two_researchers.lab(**TINY), tmp_path / "ray", runtime="ray", shards=2, workers=2)

    assert digests(ray) == digests(inline)


@pytest.mark.torch
@pytest.mark.ray
@pytest.mark.timeout(1500)
def test_the_front_door_keeps_its_promises_on_ray(tmp_path: Path) -> None:
    outcome = run(full_lab.lab(), tmp_path / "run", runtime="ray", shards=2)

    summary = outcome.summary
    assert outcome.status == "ok", outcome.error
    assert len(summary["swapped_parts"]) >= 3
    assert [role for role, n in summary["active"].items() if not n] == []
    assert summary["audit"]["standard_errors"] > 4
    assert summary["cpu_seconds_in_jobs"] >= 0.9 * summary["cpu_seconds"]

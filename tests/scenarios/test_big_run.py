import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from swarm.errors import UsageError
from swarm.runtime.launch import Options, Outcome
from swarm.scenarios import big_run
from swarm.scenarios.big_run_config import BigRun

SHORT: dict[str, object] = {"nodes": 256, "days": 6, "faults.per_1000_node_days": 20}


def run(
    out: Path,
    facts: dict[str, object] | None = None,
    *,
    seed: int = 1,
    shards: int = 1,
    shuffle: int | None = None,
) -> Outcome:
    lab = big_run.lab(seed=seed, **{**SHORT, **(facts or {})})
    return lab.run(Options(out=out, shards=shards, shuffle=shuffle, is_live=False))


def digests(outcome: Outcome) -> tuple[str, str]:
    return outcome.summary["digest_control"], outcome.summary["digest_payload"]


@pytest.mark.slow
def test_a_run_ends_with_all_its_figures(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run")

    facts = outcome.summary
    assert outcome.status == "ok"
    assert facts["interruptions"] == sum(facts["interruptions_by_category"].values()) > 10
    assert 0.5 < facts["effective_training_time_ratio"] < 1
    assert facts["median_detect_s"] > 0 < facts["median_recover_s"]
    assert 0 <= facts["share_without_human"] <= 1
    assert facts["lost_gpu_hours"] > 0
    assert facts["credits_spent_on_nodes"] > 0
    assert [row["nodes"] for row in facts["small_jobs"]] == [1, 4, 8, 16, 32]
    kept = json.loads((outcome.path / "big_run.json").read_text())
    assert kept["interruptions"] == facts["interruptions"]


@pytest.mark.slow
def test_lost_gpu_hours_are_accounted_for(tmp_path: Path) -> None:
    facts = run(tmp_path / "run").summary

    # A slow node loses time while it computes, which is in none of the three.
    assert sum(facts["lost_to"].values()) <= facts["lost_gpu_hours"]
    assert sum(facts["lost_to"].values()) > 0.9 * facts["lost_gpu_hours"]


@pytest.mark.slow
def test_digests_depend_on_the_seed_alone(tmp_path: Path) -> None:
    first = run(tmp_path / "a")

    same = [
        run(tmp_path / "b"),
        run(tmp_path / "c", shards=3),
        run(tmp_path / "d", shards=15),
        run(tmp_path / "e", shuffle=99),
    ]

    assert {digests(outcome) for outcome in same} == {digests(first)}
    assert digests(run(tmp_path / "f", seed=2)) != digests(first)


@pytest.mark.slow
def test_without_devops_everything_waits_for_a_human(tmp_path: Path) -> None:
    minded = run(tmp_path / "a").summary
    left = run(tmp_path / "b", {"devops": "off"}).summary

    assert left["share_without_human"] == 0
    ratio = "effective_training_time_ratio"
    assert left[ratio] < minded[ratio] - 0.1


@pytest.mark.slow
def test_history_saves_large_jobs_from_lemons(tmp_path: Path) -> None:
    lemons: dict[str, object] = {
        "preset": "rsc1",
        "nodes": 512,
        "days": 30,
        "faults.per_1000_node_days": 6.5,
    }
    kept = run(tmp_path / "a", {**lemons, "lemon_eviction": "off"}).summary
    evicted = run(tmp_path / "b", lemons).summary

    assert evicted["interruptions"] < 0.75 * kept["interruptions"]


@pytest.mark.slow
def test_a_fixed_checkpoint_interval_stays_and_a_bad_one_costs(tmp_path: Path) -> None:
    chosen = run(tmp_path / "a").summary
    fixed = run(tmp_path / "b", {"checkpoint_interval_s": 7_200}).summary

    assert fixed["checkpoint_interval_s"] == 7_200
    ratio = "effective_training_time_ratio"
    assert fixed[ratio] < chosen[ratio]


@pytest.mark.slow
def test_overloaded_devops_hire_each_other(tmp_path: Path) -> None:
    busy: dict[str, object] = {"ops.aftercare_s": 7_200}

    many = run(tmp_path / "a", busy).summary
    alone = run(tmp_path / "b", {**busy, "roles.devops": 1}).summary

    assert many["diagnoses_by_colleagues"] > 5
    assert alone["diagnoses_by_colleagues"] == 0
    ratio = "effective_training_time_ratio"
    assert many[ratio] > alone[ratio]


@pytest.mark.slow
def test_without_credits_nodes_stay_out(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run", {"ops.budget": 10})

    assert outcome.summary["credits_spent_on_nodes"] <= 10
    notes = (outcome.path / "notes" / "devops-0.md").read_text()
    assert "stays out of service: the treasury denied" in notes


@pytest.mark.slow
def test_until_shortens_the_run(tmp_path: Path) -> None:
    facts = run(tmp_path / "run", {"until": 86_400}).summary

    assert facts["interruptions_expected"] == pytest.approx(256 * 0.02, abs=0.05)


@pytest.mark.slow
def test_a_run_without_faults_only_starts_and_saves(tmp_path: Path) -> None:
    calm: dict[str, object] = {
        "faults.per_1000_node_days": 0,
        "small_jobs": [],
        "checkpoint_interval_s": 1_000,
    }

    facts = run(tmp_path / "run", calm).summary

    assert (facts["interruptions"], facts["share_without_human"]) == (0, None)
    started = 1 - 300 / (6 * 86_400)
    expected = started * facts["effective_training_time_ratio_expected"]
    assert facts["effective_training_time_ratio"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run")

    tree = ET.fromstring((outcome.path / "plot.svg").read_text())

    lines = tree.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 3
    assert len(lines[2].attrib["points"].split()) == outcome.summary["interruptions"] + 1


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"preset": "rsc3"}, "'rsc3'; there are llama3_405b, rsc1, rsc2"),
        ({"small_preset": "x"}, "no preset of faults is named 'x'"),
        ({"faults.shares": {"gremlins": 1}}, "no category of faults is named 'gremlins'"),
        ({"faults.extra.gremlins": 1}, "no category of faults is named 'gremlins'"),
        ({"roles.devops": 0}, "give --set devops=off"),
        ({"roles.treasury": 2}, "big_run has one treasury, came 2"),
        ({"checkpoint_interval_s": 0}, "checkpoint_interval_s"),
        ({"decision_table": "/nowhere/table.json"}, "cannot be read: No such file"),
        ({"faults.storms_per_30_days": -1}, "storms_per_30_days"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    overrides: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        big_run.lab(**overrides)


def test_own_numbers_go_before_the_presets() -> None:
    config = big_run.lab(
        **{
            "preset": "rsc1",
            "faults.per_1000_node_days": 4,
            "faults.shares": {"nic": 3, "ssd": 1},
            "faults.extra.slow_node": 2,
            "faults.lemon_share_of_nodes": 0,
            "faults.storms_per_30_days": 3,
        }
    ).config
    assert isinstance(config, BigRun)

    hazard = config.hazard()

    assert dict(hazard.shares) == pytest.approx({"nic": 0.003, "ssd": 0.001, "slow_node": 0.002})
    assert hazard.lemons is None
    assert hazard.storms_per_day == pytest.approx(0.1)


def test_a_decision_table_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text('[{"diagnosis": "whatever", "action": "retry"}]')

    config = big_run.lab(decision_table=str(path)).config

    assert isinstance(config, BigRun)
    assert [rule.diagnosis for rule in config.table()] == ["whatever"]

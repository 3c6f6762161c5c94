import csv
import json
from pathlib import Path
from typing import Any

import pytest

from swarm.errors import UsageError
from swarm.gpu.mechanism import mechanisms
from swarm.gpu.placement import placements
from swarm.runtime.launch import Options, Outcome
from swarm.scenarios import trace_replay
from swarm.scenarios.entry import Front

DATA = Path(__file__).parents[1] / "gpu" / "data"
PHILLY, SIXTY = DATA / "philly_2869ce.csv", DATA / "tiresias_60_job.csv"
EXPECTED = json.loads((DATA / "expected.json").read_text())
MECHANISMS = {
    "fifo": "fifo",
    "sjf": "sjf",
    "fjf": "fifo_skip",
    "shortest": "srtf",
    "shortest-gpu": "srsf",
    "dlas": "las",
}
CLUSTERS = {12: (3, 4), 16: (2, 8), 56: (7, 8)}


def run(
    folder: Path, *, shards: int = 1, shuffle: int | None = None, **overrides: object
) -> Outcome:
    lab = trace_replay.lab(jobs_out=str(folder / "jobs.csv"), **overrides)
    options = Options(out=folder / "run", shards=shards, shuffle=shuffle, is_live=False)
    return lab.run(options)


def spans(path: Path) -> dict[str, tuple[int, int]]:
    with path.open() as file:
        return {
            row["job_id"]: (int(row["start_s"]), int(row["end_s"])) for row in csv.DictReader(file)
        }


def ids(expected: dict[str, Any]) -> str:
    return "-".join(str(expected[key]) for key in ("sim", "policy", "trace", "gpus"))


@pytest.mark.parametrize("expected", EXPECTED, ids=ids)
def test_every_job_starts_and_ends_at_the_second_at_which_an_independent_simulator_has_it(
    tmp_path: Path, expected: dict[str, Any]
) -> None:
    nodes, gpus_per_node = CLUSTERS[expected["gpus"]]
    is_las = expected["policy"] == "dlas"

    outcome = run(
        tmp_path,
        trace=str(DATA / expected["trace"]),
        nodes=nodes,
        gpus_per_node=gpus_per_node,
        mechanism=MECHANISMS[expected["policy"]],
        placement=expected["placer"],
        settings={"measure": "seconds"} if is_las else {},
    )

    assert outcome.status == "ok"
    assert spans(tmp_path / "jobs.csv") == spans(DATA / oracle(expected))
    facts = outcome.summary
    digits = 2 if expected["sim"] == "HeliosArtifact" else 3
    assert round(facts["average_completion_s"], digits) == expected["avg_jct"]
    assert round(facts["average_queue_s"], digits) == expected["avg_queue"]
    assert facts["median_completion_s"] == expected["median_jct"]
    assert facts["makespan_s"] == expected["makespan"]
    assert round(facts["utilisation"], 4) == expected["utilisation"]
    assert facts["preemptions"] == expected["preemptions"]


def oracle(expected: dict[str, Any]) -> str:
    sim = {"HeliosArtifact": "helios", "Tiresias": "tiresias"}[expected["sim"]]
    if expected["trace"] == PHILLY.name:
        return f"philly_{sim}_{expected['policy']}.csv"
    return f"60_job_{expected['gpus']}_gpus_{sim}_{expected['policy']}.csv"


@pytest.mark.parametrize("placement", placements())
@pytest.mark.parametrize("mechanism", mechanisms())
def test_every_mechanism_ends_every_job_under_every_placement(
    tmp_path: Path, mechanism: str, placement: str
) -> None:
    outcome = run(tmp_path, trace=str(SIXTY), nodes=2, mechanism=mechanism, placement=placement)

    assert outcome.status == "ok"
    assert outcome.summary["trace_jobs_ended"] == 60
    assert outcome.summary["makespan_s"] >= 3271


@pytest.mark.parametrize("mechanism", ["srtf", "las", "sealed_bid"])
def test_digests_depend_neither_on_shards_nor_on_arrival(tmp_path: Path, mechanism: str) -> None:
    ways: list[dict[str, int]] = [{}, {"shards": 2}, {"shards": 4}, {"shuffle": 3}]
    digests = set()
    for number, way in enumerate(ways):
        folder = tmp_path / str(number)
        folder.mkdir()
        roles = {"gpu_broker": 1, "trace_source": 3}
        summary = run(
            folder, trace=str(SIXTY), nodes=2, mechanism=mechanism, roles=roles, **way
        ).summary
        digests.add((summary["digest_control"], summary["digest_payload"]))

    assert len(digests) == 1


@pytest.mark.parametrize("mechanism", ["fifo", "las"])
def test_no_figure_depends_on_the_latency_or_on_how_many_sources_there_are(
    tmp_path: Path, mechanism: str
) -> None:
    figures = []
    for number, (latency, sources) in enumerate([(1, 1), (60, 1), (17, 2), (1_000, 5)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        roles = {"gpu_broker": 1, "trace_source": sources}
        run(folder, trace=str(SIXTY), nodes=2, mechanism=mechanism, roles=roles, latency=latency)
        figures.append((folder / "jobs.csv").read_text())

    assert set(figures) == {figures[0]}


def test_jobs_of_one_owner_come_from_one_holder(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    rows = [f"{n},{'ada' if n < 6 else 'bo'},0,1,100" for n in range(8)]
    trace.write_text("job_id,who,submit_s,num_gpus,duration_s\n" + "\n".join(rows) + "\n")
    roles = {"gpu_broker": 1, "trace_source": 2}

    run(
        tmp_path,
        trace=str(trace),
        owner="who",
        nodes=1,
        gpus_per_node=4,
        mechanism="max_min",
        roles=roles,
    )

    starts = {job: start for job, (start, _) in spans(tmp_path / "jobs.csv").items()}
    assert [job for job, start in starts.items() if start == 0] == ["0", "1", "6", "7"]


def test_a_preemption_costs_what_it_is_said_to_cost(tmp_path: Path) -> None:
    (tmp_path / "free").mkdir()
    (tmp_path / "dear").mkdir()
    pool: dict[str, Any] = {"nodes": 3, "gpus_per_node": 4}
    common: dict[str, Any] = {"trace": str(SIXTY), "mechanism": "srtf", **pool}

    free = run(tmp_path / "free", **common).summary
    dear = run(tmp_path / "dear", **common, checkpoint_cost=50, notice=10).summary

    assert free["preemptions"] > 0
    assert dear["preemptions"] > 0
    assert dear["average_completion_s"] > free["average_completion_s"]


def test_patience_bounds_the_longest_wait(tmp_path: Path) -> None:
    waits = {}
    for patience in (0, 600):
        folder = tmp_path / str(patience)
        folder.mkdir()
        run(
            folder,
            jobs=300,
            load=2,
            nodes=2,
            gpus_per_node=8,
            mechanism="fifo_skip",
            patience=patience,
        )
        with (folder / "jobs.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["num_gpus"] == "16"]
        waits[patience] = max(int(row["start_s"]) - int(row["submit_s"]) for row in rows)

    assert waits[600] < waits[0]


def test_slices_share_gpus(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    rows = [f"{n},0,0.25,100" for n in range(8)]
    trace.write_text("job_id,submit_s,num_gpus,duration_s\n" + "\n".join(rows) + "\n")

    facts = run(tmp_path, trace=str(trace), nodes=1, gpus_per_node=2).summary

    assert facts["average_queue_s"] == 0
    assert facts["utilisation"] == 1


def test_what_is_cut_off_counts_as_not_ended(tmp_path: Path) -> None:
    outcome = run(tmp_path, trace=str(SIXTY), nodes=2, until=1_000)

    assert outcome.status == "ok"
    assert 0 < outcome.summary["trace_jobs_ended"] < 60
    assert len(spans(tmp_path / "jobs.csv")) == outcome.summary["trace_jobs_ended"]


def test_a_replay_of_nothing_fails(tmp_path: Path) -> None:
    outcome = run(tmp_path, trace=str(SIXTY), nodes=2, until=100)

    assert outcome.status == "failed"
    assert "no job ended; raise --until" in str(outcome.error)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"trace": "none.csv"}, "reading the trace none.csv: FileNotFoundError"),
        ({"mechanism": "lottery"}, "no mechanism 'lottery'; choose one of easy, fifo, fifo_skip"),
        ({"placement": "pile"}, "no placement 'pile'; choose one of consolidate, count"),
        ({"settings.depth": 3}, "mechanism 'fifo' has no setting 'depth'; its settings: none"),
        (
            {"mechanism": "las", "settings.depth": 3},
            "mechanism 'las' has no setting 'depth'; its settings: thresholds, measure",
        ),
        ({"mechanism": "las", "settings.thresholds": "[5, 3]"}, "ascending .* came 5, 3"),
        ({"mechanism": "las", "settings.thresholds": "[a"}, "ascending whole numbers"),
        ({"mechanism": "las", "settings.measure": "days"}, "gpu_seconds or seconds, came 'days'"),
        (
            {"trace": str(PHILLY), "nodes": 2},
            "line 11: job 9 wants 32 GPUs, and the largest gang possible on .* is 16; leave it out",
        ),
        ({"nodes": 0}, "key 'nodes'"),
        ({"notice": -1}, "key 'notice'"),
        ({"jobs_out": "nowhere/jobs.csv"}, "jobs_out=nowhere/jobs.csv: there is no folder"),
        ({"roles.gpu_broker": 2}, "one gpu_broker and at least 1 trace_source, came 2 and 1"),
        ({"roles.poet": 1}, "role 'poet' is unknown"),
    ],
)
def test_a_mistake_is_refused_in_one_sentence(
    overrides: dict[str, object], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match=sentence):
        trace_replay.lab(**overrides)


def test_a_slice_is_no_job_for_a_mechanism_that_preempts(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("job_id,submit_s,num_gpus,duration_s\na,0,0.5,10\n")

    with pytest.raises(UsageError, match="job a wants a slice of a GPU, and srtf preempts"):
        trace_replay.lab(trace=str(trace), mechanism="srtf")
    trace_replay.lab(trace=str(trace), mechanism="srtf", preemption=False)


def test_the_command_prints_one_object_and_a_mistake_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    front = Front(
        "trace_replay",
        lab=trace_replay.lab,
        counts=trace_replay.COUNTS,
        single=("gpu_broker",),
    )
    codes = []
    for more in (["--set", f"trace={SIXTY}"], ["--set", "trace=none.csv"]):
        with pytest.raises(SystemExit) as ended:
            front.main([*more, "--set", "nodes=2", "--out", "run", "--json"])
        codes.append(ended.value.code)

    printed = capsys.readouterr()

    assert codes == [0, 2]
    assert json.loads(printed.out)["average_completion_s"] == pytest.approx(200.816667)
    assert "error: reading the trace none.csv" in printed.err

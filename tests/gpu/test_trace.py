from pathlib import Path

import pytest

from swarm.errors import UsageError
from swarm.gpu.trace import Job, read_trace, synthetic_trace
from swarm.units import Ticks

DATA = Path(__file__).parent / "data"
HEADING = "job_id,submit_s,num_gpus,duration_s\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    return path


def test_a_trace_is_read_in_its_order_with_what_it_says(tmp_path: Path) -> None:
    path = written(
        tmp_path, "job_id,vc,submit_s,num_gpus,duration_s\na,blue,0,8,437\n\nb,red,5,0.25,1\n"
    )

    jobs = read_trace(path, owner="vc")

    assert jobs == (
        Job(job_id="a", submit_s=Ticks(0), gpus=8, duration_s=Ticks(437), owner="blue", line=2),
        Job(
            job_id="b",
            submit_s=Ticks(5),
            gpus=0,
            milli=250,
            duration_s=Ticks(1),
            owner="red",
            line=4,
        ),
    )


def test_the_public_traces_are_read_whole() -> None:
    philly, tiresias = (read_trace(DATA / name) for name in ("philly_2869ce.csv", TIRESIAS))

    assert (len(philly), len(tiresias)) == (315, 60)
    assert sum(job.gpus * job.duration_s for job in philly) == 252_162_913


TIRESIAS = "tiresias_60_job.csv"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a,0,8\n", "line 2: has 3 fields, expected 4"),
        ("a,0,8,437,9\n", "line 2: has 5 fields, expected 4"),
        ("a,0,8,437\n,1,8,437\n", "line 3: job_id is empty"),
        ("a,x,8,437\n", "line 2: submit_s must be whole seconds from 0 to .*, came 'x'"),
        ("a,-1,8,437\n", "line 2: submit_s must be whole seconds from 0 to .*, came '-1'"),
        ("a,0.5,8,437\n", "line 2: submit_s must be whole seconds from 0 to .*, came '0.5'"),
        ("a,0,8,0\n", "line 2: duration_s must be whole seconds from 1 to .*, came '0'"),
        ("a,0,8,-3\n", "line 2: duration_s must be whole seconds from 1 to .*, came '-3'"),
        ("a,0,8,nan\n", "line 2: duration_s must be whole seconds from 1 to .*, came 'nan'"),
        ("a,0,8,1_0\n", "line 2: duration_s must be whole seconds from 1 to .*, came '1_0'"),
        ("a,0,8,1e300\n", "line 2: duration_s must be whole seconds from 1 to .*, came '1e300'"),
        ("a,0,0,437\n", "line 2: num_gpus must be a whole number from 1 .* came '0'"),
        ("a,0,-8,437\n", "line 2: num_gpus must be a whole number from 1 .* came '-8'"),
        ("a,0,1.5,437\n", "line 2: num_gpus must be a whole number from 1 .* came '1.5'"),
        ("a,0,0.0001,437\n", "line 2: num_gpus must be a whole number from 1 .* came '0.0001'"),
        ("a,0,many,437\n", "line 2: num_gpus must be a whole number from 1 .* came 'many'"),
        ("a,9,8,1\nb,7,8,1\n", "line 3: submit_s 7 is before 9 in line 2; sort the trace"),
        ("a,0,8,1\na,7,8,1\n", "line 3: job_id 'a' stands in line 2 already"),
        ("", "has no jobs below its heading"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_its_line_and_the_reason(
    tmp_path: Path, rows: str, reason: str
) -> None:
    path = written(tmp_path, HEADING + rows)

    with pytest.raises(UsageError, match=reason):
        read_trace(path)


@pytest.mark.parametrize(
    ("heading", "reason"),
    [
        ("job_id,submit_s,gpus\n", "line 1: the heading lacks num_gpus, duration_s; it has job_id"),
        ("", "line 1: the heading lacks job_id, submit_s, num_gpus, duration_s; it has nothing"),
    ],
)
def test_a_heading_without_a_column_is_refused(tmp_path: Path, heading: str, reason: str) -> None:
    path = written(tmp_path, heading)

    with pytest.raises(UsageError, match=reason):
        read_trace(path)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")

    for path in (tmp_path / "none.csv", tmp_path, binary):
        with pytest.raises(UsageError, match="reading the trace"):
            read_trace(path)


def test_a_synthetic_trace_follows_from_its_seed_and_asks_for_its_load() -> None:
    jobs = synthetic_trace(5_000, gpus=512, seed=1, load=0.8)

    asked = sum(job.gpus * job.duration_s for job in jobs)
    offered = 512 * jobs[-1].submit_s
    assert asked / offered == pytest.approx(0.8, rel=0.1)
    assert jobs == synthetic_trace(5_000, gpus=512, seed=1, load=0.8)
    assert jobs != synthetic_trace(5_000, gpus=512, seed=2, load=0.8)
    assert [job.submit_s for job in jobs] == sorted(job.submit_s for job in jobs)


def test_no_job_of_a_synthetic_trace_is_larger_than_the_cluster() -> None:
    jobs = synthetic_trace(500, gpus=3, seed=0)

    assert {job.gpus for job in jobs} == {1, 2}

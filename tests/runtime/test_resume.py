"""A run that is killed after any window ends like one that never was."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.comms.journal import read_journal
from swarm.errors import UsageError
from swarm.runtime.attempt import Attempt
from swarm.runtime.coordinator import Progress
from swarm.runtime.folder_lock import FolderLock
from swarm.runtime.launch import InlineRuntime, Options, Outcome, resume
from swarm.runtime.resume import Start, cut_back, find_start
from swarm.runtime.run_folder import RunFolder
from swarm.runtime.snapshot_store import stored
from swarm.runtime.snapshots import Cadence
from swarm.scenarios import gossip, two_researchers
from swarm.scenarios.lab import Lab
from tests.runtime.disturbed import AT_EVERY_BARRIER, killed_after, undisturbed

SAME = """
    digest_control digest_payload messages windows virtual_seconds jobs jobs_cached swaps active
    kinds
"""


@dataclass(frozen=True)
class Story:
    """A lab, how it ends, and its folder as it was after some windows."""

    lab: Lab
    options: Options
    whole: Outcome
    killed: dict[int, Path]

    def go_on(self, run: Path, shards: int = 1) -> Outcome:
        """Goes on in a copy of a folder, so that others may too."""
        options = replace(self.options, cadence=Cadence(every=0), shards=shards)
        return resume(run, self.lab.build(options), options, self.lab.finish)

    def expect_same(self, outcome: Outcome) -> None:
        """Compares with the run that nobody disturbed."""
        assert outcome.status == "ok", outcome.error
        for key in SAME.split():
            assert outcome.summary[key] == self.whole.summary[key], key
        assert (outcome.path / "journal").read_bytes() == (self.whole.path / "journal").read_bytes()
        assert notes(outcome.path) == notes(self.whole.path)


def notes(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "notes").rglob("*.md")}


def incidents(run: Path) -> list[str]:
    manifest = json.loads((run / "manifest.json").read_text())
    return [one["what"] for one in manifest.get("incidents", [])]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Gossip, with snapshots at every barrier, two shards."""
    folder = tmp_path_factory.mktemp("talk")
    lab = gossip.lab(rounds=12, **{"roles.gossiper": 30})
    options = Options(shards=2, is_live=False, cadence=AT_EVERY_BARRIER)
    whole = undisturbed(lab, options, folder / "calm")
    return Story(lab, options, whole, killed_after(lab, options, range(1, 14), folder))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A lab with jobs, minds and notebooks; a snapshot now and then, so that none is up to date."""
    folder = tmp_path_factory.mktemp("work")
    lab = two_researchers.lab(fidelity="surrogate", until=80_000)
    cadence = Cadence(every=10_000, cpu_percent=1e12)
    options = Options(corpus_dir=folder / "corpus", shards=2, is_live=False, cadence=cadence)
    whole = undisturbed(lab, options, folder / "calm")
    n = whole.summary["windows"]
    cuts = [1, *range(n // 4, n, n // 4)]
    return Story(lab, options, whole, killed_after(lab, options, cuts, folder))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where a test may put its own copy of a run."""
    return tmp_path / "run"


@pytest.mark.parametrize("shards", [1, 2, 7])
@pytest.mark.parametrize("window", [1, 2, 6, 12, 13])
def test_killed_after_any_window_it_ends_as_if_nothing_had_been(
    talk: Story, copy: Path, window: int, shards: int
) -> None:
    shutil.copytree(talk.killed[window], copy)

    outcome = talk.go_on(copy, shards=shards)

    talk.expect_same(outcome)
    # The copy was made before the barrier at which that window's own snapshot is taken.
    place = f"the snapshot after window {window - 1}" if window > 1 else "the beginning"
    assert incidents(copy) == [f"went on from {place}, after status 'running'"]


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("cut", range(4))
def test_a_lab_with_jobs_and_minds_goes_on_too(
    work: Story, copy: Path, cut: int, shards: int
) -> None:
    window = sorted(work.killed)[cut]
    shutil.copytree(work.killed[window], copy)

    outcome = work.go_on(copy, shards=shards)

    work.expect_same(outcome)


def test_a_run_that_goes_on_takes_snapshots_itself(talk: Story, copy: Path) -> None:
    shutil.copytree(talk.killed[5], copy)
    blueprint = talk.lab.build(talk.options)

    outcome = resume(copy, blueprint, talk.options)

    talk.expect_same(outcome)
    assert [path.name for path in stored(copy)] == ["0000000013", "0000000012"]


def test_answers_that_the_journal_holds_are_not_computed_again(work: Story, copy: Path) -> None:
    window = max(work.killed)
    shutil.copytree(work.killed[window], copy)
    shutil.rmtree(copy / "snapshots")
    shutil.rmtree(copy / "artifacts")
    answered = len(read_journal(copy / "journal")[0])

    outcome = work.go_on(copy)

    work.expect_same(outcome)
    assert answered > 5
    n_ran = len(list((copy / "artifacts" / "results").iterdir()))
    assert n_ran < work.whole.summary["jobs"] - answered // 2


def test_an_interrupted_run_goes_on(talk: Story, copy: Path) -> None:
    shutil.copytree(talk.killed[7], copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(
        json.dumps({**manifest, "status": "interrupted", "summary": {"wall_seconds": 1e6}})
    )

    outcome = talk.go_on(copy)

    talk.expect_same(outcome)
    assert outcome.summary["wall_seconds"] > 1e6


def test_a_run_whose_disk_refused_goes_on_when_there_is_room(talk: Story, copy: Path) -> None:
    options = replace(talk.options, out=copy)
    blueprint = talk.lab.build(options)

    def in_the_way(progress: Progress) -> None:
        if progress.windows == 6:
            shutil.rmtree(copy / "snapshots")
            (copy / "snapshots").touch()

    folder = RunFolder.create(blueprint, out=copy, host={"runtime": "inline", "shards": 2})
    attempt = Attempt(blueprint, options, copy, start=Start(), on_window=in_the_way)
    status, error = attempt.go(InlineRuntime(options), None)
    folder.finish(status, {"summary": attempt.summary(status)})
    (copy / "snapshots").unlink()

    outcome = talk.go_on(copy)

    assert status == "failed"
    assert "writing a snapshot into" in str(error)
    talk.expect_same(outcome)


def test_a_run_that_has_ended_is_left_as_it_is(talk: Story) -> None:
    before = (talk.whole.path / "manifest.json").read_bytes()

    outcome = talk.go_on(talk.whole.path)

    assert outcome.summary == talk.whole.summary
    assert (talk.whole.path / "manifest.json").read_bytes() == before


def test_other_code_or_config_is_named_and_refused(talk: Story, copy: Path) -> None:
    shutil.copytree(talk.killed[3], copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["versions"]["code"] = "f" * 64
    manifest["config"]["rounds"] = 99
    (copy / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(
        UsageError, match=r"code was ffffffffffff and is .*; config key rounds was 99"
    ):
        talk.go_on(copy)

    assert json.loads((copy / "manifest.json").read_text()) == manifest


def test_a_folder_that_another_process_has_is_refused(talk: Story, copy: Path) -> None:
    shutil.copytree(talk.killed[3], copy)

    with FolderLock(copy), pytest.raises(UsageError, match="is in use by process"):
        talk.go_on(copy)


def test_a_damaged_snapshot_is_named_and_the_one_before_is_used(talk: Story, copy: Path) -> None:
    shutil.copytree(talk.killed[9], copy)
    flip(copy / "snapshots" / "0000000008" / "shard-0001", 200)

    outcome = talk.go_on(copy)

    talk.expect_same(outcome)
    (said,) = incidents(copy)
    assert "went on from the snapshot after window 7" in said
    assert "snapshot 0000000008 is not used: its chunk shard-0001 is damaged" in said


def test_without_a_whole_snapshot_it_starts_from_the_beginning(work: Story, copy: Path) -> None:
    shutil.copytree(work.killed[max(work.killed)], copy)
    for snapshot in stored(copy):
        flip(snapshot / "head", 100)

    outcome = work.go_on(copy)

    work.expect_same(outcome)
    assert "went on from the beginning" in incidents(copy)[0]


def test_a_snapshot_of_a_log_that_lost_a_segment_is_not_used(talk: Story, copy: Path) -> None:
    shutil.copytree(talk.killed[9], copy)
    (copy / "messages" / "0000-000007.parquet").unlink()

    outcome = talk.go_on(copy)

    talk.expect_same(outcome)
    assert "log segment 0000-000007.parquet is missing" in incidents(copy)[0]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_flipped_bit_in_a_snapshot_is_always_found(
    talk: Story, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    run = tmp_path_factory.mktemp("flip") / "run"
    shutil.copytree(talk.killed[9], run)
    newest, older = stored(run)
    victim = data.draw(st.sampled_from(sorted(newest.iterdir())))
    at = data.draw(st.integers(0, victim.stat().st_size * 8 - 1))
    flip(victim, at // 8, at % 8)

    start = find_start(run)

    assert start.snapshot == older
    assert len(start.problems) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_journal_changes_nothing(work: Story, copy: Path, damage: str) -> None:
    shutil.copytree(work.killed[sorted(work.killed)[1]], copy)
    journal = copy / "journal"
    half = journal.stat().st_size // 2
    if damage == "flipped":
        flip(journal, half)
    else:
        journal.write_bytes(journal.read_bytes()[: half if damage == "cut" else 0])

    outcome = work.go_on(copy)

    work.expect_same(outcome)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_of_a_journal_cut_or_flipped_anywhere_no_wrong_answer_is_taken(
    work: Story, tmp_path: Path, data: st.DataObject
) -> None:
    whole = (work.whole.path / "journal").read_bytes()
    answers = {one.id: bytes(one.answer) for one in read_journal(work.whole.path / "journal")[0]}
    at = data.draw(st.integers(0, len(whole) - 1))
    (tmp_path / "journal").write_bytes(whole[:at])
    if data.draw(st.booleans()):
        (tmp_path / "journal").write_bytes(whole)
        flip(tmp_path / "journal", at, data.draw(st.integers(0, 7)))

    start = find_start(tmp_path)

    assert start.recorded.items() <= answers.items()
    assert start.in_file <= start.recorded.keys()
    assert whole.startswith((tmp_path / "journal").read_bytes()[: start.journal_bytes])
    assert len(start.in_file) == whole[: start.journal_bytes].count(b"\n")


def test_what_stands_behind_a_damaged_line_is_kept(work: Story, copy: Path) -> None:
    shutil.copytree(work.killed[max(work.killed)], copy)
    records, _ = read_journal(copy / "journal")
    flip(copy / "journal", 12)

    start = find_start(copy)

    assert set(start.recorded) == {one.id for one in records[1:]}
    assert start.in_file == frozenset()
    assert start.journal_bytes == 0
    assert f"{len(records) - 1} answers behind it are whole" in start.problems[0]


def test_cutting_back_leaves_what_the_snapshot_names_and_nothing_else(
    talk: Story, copy: Path
) -> None:
    shutil.copytree(talk.killed[9], copy)
    start = find_start(copy)
    assert start.head is not None
    (copy / "messages" / "0000-000099.parquet").write_bytes(b"from beyond")
    (copy / "messages" / "0001-000100.partial").write_bytes(b"from beyond")
    (copy / "notes" / "gossiper-3.md").write_text("from beyond")
    (copy / "snapshots" / ".0000000010").mkdir()

    cut_back(copy, start)

    assert {path.name for path in (copy / "messages").iterdir()} == set(start.head.segments)
    assert list((copy / "notes").rglob("*.md")) == []
    assert sorted(path.name for path in (copy / "snapshots").iterdir()) == [
        "0000000007",
        "0000000008",
    ]


def flip(path: Path, byte: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(bytes(data))
